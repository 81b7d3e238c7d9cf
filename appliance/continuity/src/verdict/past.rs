//! The verdicts of outages that are over, in each language of the portal.

use super::Verdict;

pub(super) fn english(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::LinkDown => "This building had lost its network connection to the outside.",
        Verdict::DnsDown => "The network could not find the addresses of outside services.",
        Verdict::InternetDown => "The internet could not be reached from this building.",
        Verdict::Intercepted => {
            "Something on the network answered in place of the cloud service, so that connection was not used."
        }
        Verdict::UpstreamDown => "The cloud service did not answer.",
        Verdict::ModelWithdrawn => "The cloud model that usually answered was no longer offered.",
        Verdict::KeyRejected => "The cloud service did not accept our access.",
        Verdict::QuotaExhausted => "Our agreed amount of cloud use had been used up.",
        Verdict::Throttled => "The cloud service was busy and had asked us to send less for a while.",
        Verdict::Slow => "The cloud service answered more slowly than usual.",
    }
}

pub(super) fn korean(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::LinkDown => "이 건물과 외부를 잇는 네트워크 연결이 끊어져 있었습니다.",
        Verdict::DnsDown => "네트워크에서 외부 서비스의 주소를 찾을 수 없었습니다.",
        Verdict::InternetDown => "이 건물에서 인터넷에 접속할 수 없었습니다.",
        Verdict::Intercepted => {
            "네트워크의 다른 장치가 클라우드 서비스 대신 응답하여 해당 연결을 사용하지 않았습니다."
        }
        Verdict::UpstreamDown => "클라우드 서비스가 응답하지 않았습니다.",
        Verdict::ModelWithdrawn => "평소 답변하던 클라우드 모델이 더 이상 제공되지 않았습니다.",
        Verdict::KeyRejected => "클라우드 서비스가 우리 기관의 접속을 받아들이지 않았습니다.",
        Verdict::QuotaExhausted => "우리 기관에 정해진 클라우드 사용량이 모두 소진되어 있었습니다.",
        Verdict::Throttled => "클라우드 서비스가 혼잡하여 한동안 요청을 줄여 달라고 알려 왔습니다.",
        Verdict::Slow => "클라우드 서비스의 응답이 평소보다 느렸습니다.",
    }
}
