//! The verdicts in words, in each language of the portal.

use super::Verdict;

pub(super) fn english_for_staff(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::LinkDown => "This building has lost its network connection to the outside.",
        Verdict::DnsDown => "The network cannot find the addresses of outside services at the moment.",
        Verdict::InternetDown => "The internet cannot be reached from this building at the moment.",
        Verdict::Intercepted => {
            "Something on the network answers in place of the cloud service, so that connection is not used."
        }
        Verdict::UpstreamDown => "The cloud service is not answering at the moment.",
        Verdict::ModelWithdrawn => "The cloud model that usually answers is no longer offered.",
        Verdict::KeyRejected => "The cloud service does not accept our access at the moment.",
        Verdict::QuotaExhausted => "Our agreed amount of cloud use has been used up.",
        Verdict::Throttled => "The cloud service is busy and has asked us to send less for a while.",
        Verdict::Slow => "The cloud service is answering more slowly than usual.",
    }
}

pub(super) fn korean_for_staff(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::LinkDown => "이 건물과 외부를 잇는 네트워크 연결이 끊어졌습니다.",
        Verdict::DnsDown => "현재 네트워크에서 외부 서비스의 주소를 찾을 수 없습니다.",
        Verdict::InternetDown => "현재 이 건물에서 인터넷에 접속할 수 없습니다.",
        Verdict::Intercepted => {
            "네트워크의 다른 장치가 클라우드 서비스 대신 응답하고 있어 해당 연결을 사용하지 않습니다."
        }
        Verdict::UpstreamDown => "현재 클라우드 서비스가 응답하지 않습니다.",
        Verdict::ModelWithdrawn => "평소 답변하던 클라우드 모델이 더 이상 제공되지 않습니다.",
        Verdict::KeyRejected => "현재 클라우드 서비스가 우리 기관의 접속을 받아들이지 않습니다.",
        Verdict::QuotaExhausted => "우리 기관에 정해진 클라우드 사용량을 모두 사용했습니다.",
        Verdict::Throttled => "클라우드 서비스가 혼잡하여 당분간 요청을 줄여 달라고 알려 왔습니다.",
        Verdict::Slow => "클라우드 서비스의 응답이 평소보다 느립니다.",
    }
}

pub(super) fn english_for_administrator(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::LinkDown => {
            "Check the cable, the network interface and the switch port of this box's outside connection, \
             then its default route."
        }
        Verdict::DnsDown => {
            "Check whether the DNS servers that this box uses answer, and whether they resolve outside names."
        }
        Verdict::InternetDown => {
            "Check the router, the firewall and the internet line; if the line is down, call its operator."
        }
        Verdict::Intercepted => {
            "Look for a captive portal, a proxy or a TLS inspection on the way; sign in to it, or exempt the \
             upstream's host from it. Don't trust an unknown certificate to get past it."
        }
        Verdict::UpstreamDown => {
            "Look at the upstream's own status page. Nothing has to be done here: the box goes back to it by \
             itself."
        }
        Verdict::ModelWithdrawn => {
            "Choose another model of the upstream for the aliases that used this one, and check the \
             configuration before you apply it."
        }
        Verdict::KeyRejected => {
            "Check the key and its rights in the upstream's console; if it has expired or was revoked, put a \
             new one in place."
        }
        Verdict::QuotaExhausted => {
            "Check the credit and the spending limit of the upstream's account, and raise them or pay what is \
             due."
        }
        Verdict::Throttled => {
            "If it lasts for more than a few minutes, ask the upstream for a higher rate limit, or give the \
             alias a further route."
        }
        Verdict::Slow => {
            "Check how busy the internet line is. If it is not, the upstream itself is slow, and nothing has \
             to be done here."
        }
    }
}

pub(super) fn korean_for_administrator(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::LinkDown => {
            "이 장비의 외부 연결에 쓰이는 케이블, 네트워크 인터페이스, 스위치 포트를 확인한 다음 기본 경로를 \
             확인하십시오."
        }
        Verdict::DnsDown => {
            "이 장비가 사용하는 DNS 서버가 응답하는지, 외부 이름을 조회할 수 있는지 확인하십시오."
        }
        Verdict::InternetDown => {
            "라우터, 방화벽, 인터넷 회선을 확인하고, 회선이 끊겼으면 회선 사업자에게 연락하십시오."
        }
        Verdict::Intercepted => {
            "경로에 캡티브 포털, 프록시, TLS 검사 장비가 있는지 확인하고, 로그인하거나 업스트림 호스트를 검사 \
             대상에서 제외하십시오. 이를 우회하려고 알 수 없는 인증서를 신뢰해서는 안 됩니다."
        }
        Verdict::UpstreamDown => {
            "업스트림의 상태 페이지를 확인하십시오. 이 장비에서 조치할 일은 없으며, 복구되면 자동으로 다시 \
             연결합니다."
        }
        Verdict::ModelWithdrawn => {
            "이 모델을 쓰던 별칭에 업스트림의 다른 모델을 지정하고, 적용하기 전에 설정을 검사하십시오."
        }
        Verdict::KeyRejected => {
            "업스트림 콘솔에서 키와 권한을 확인하고, 키가 만료되었거나 폐기되었으면 새 키로 교체하십시오."
        }
        Verdict::QuotaExhausted => {
            "업스트림 계정의 잔액과 사용 한도를 확인하고, 한도를 올리거나 미납금을 결제하십시오."
        }
        Verdict::Throttled => {
            "몇 분 넘게 계속되면 업스트림에 요청 한도 상향을 요청하거나 별칭에 다른 경로를 추가하십시오."
        }
        Verdict::Slow => {
            "인터넷 회선의 사용량을 확인하십시오. 회선에 여유가 있으면 업스트림 자체가 느린 것이므로 이 \
             장비에서 조치할 일은 없습니다."
        }
    }
}
