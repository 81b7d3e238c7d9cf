//! The evidence of a verdict in words, for the administrator: what was seen, one sentence each.

use super::{Asked, Evidence, Language, Link, Sign};

impl Evidence {
    /// What was seen of the upstream itself, and for a failure on the way what was seen of everything else.
    pub fn in_words(&self, language: Language) -> String {
        let mut said = vec![match language {
            Language::English => english(self.sign),
            Language::Korean => korean(self.sign),
        }];
        if self.sign.is_of_transport() {
            said.extend(link(self.link, language).map(str::to_owned));
            said.extend(self.others().and_then(|others| others_in_words(others, language)));
            said.push(witnesses(self.witnesses, language));
            said.extend(names(self.names, language));
            if self.sign == Sign::DnsFailed {
                said.extend(addresses(self.addresses, language));
            }
        }
        said.retain(|sentence| !sentence.is_empty());
        said.join(" ")
    }

    /// The upstreams beside this one, which fails.
    fn others(&self) -> Option<Asked> {
        let asked = self.upstreams.asked.checked_sub(1).filter(|asked| *asked > 0)?;
        Some(Asked { asked, failing: self.upstreams.failing.saturating_sub(1).min(asked) })
    }
}

fn english(sign: Sign) -> String {
    let text = match sign {
        Sign::Answered => "",
        Sign::NoRoute => "There is no route to the upstream.",
        Sign::DnsFailed => "The name of the upstream could not be resolved.",
        Sign::Refused => "The upstream's address refused the connection.",
        Sign::Reset => "The connection to the upstream was reset.",
        Sign::TlsFailed => {
            "The certificate that came is not the upstream's, or its authority is not trusted: something else answers \
             at its address."
        }
        Sign::CertificateExpired => {
            "The upstream's certificate has expired at the time that this box has: check the clock of the box first."
        }
        Sign::CertificateNotYetValid => {
            "The upstream's certificate is not valid yet at the time that this box has: the clock of the box is \
             probably wrong, so check it first."
        }
        Sign::Silent => "The upstream did not answer within the deadline.",
        Sign::NotJson => "A web page, a redirect or a network login came in place of the upstream's answer.",
        Sign::Malformed => "What came was cut off or not in the upstream's own form.",
        Sign::ModelMissing => "The upstream says that it does not have this model, or no longer lists it.",
        Sign::QuotaSpent => "The upstream says that the quota or the credit of the account is used up.",
        Sign::NoKey => "The key file of the upstream cannot be read, so it is not asked.",
        Sign::Slow => "The way is open, and answers came later than the deadlines, or than a local model.",
        Sign::Status(status) => return format!("The upstream answered with status {status}."),
    };
    text.to_owned()
}

fn korean(sign: Sign) -> String {
    let text = match sign {
        Sign::Answered => "",
        Sign::NoRoute => "업스트림으로 가는 경로가 없습니다.",
        Sign::DnsFailed => "업스트림의 이름을 조회하지 못했습니다.",
        Sign::Refused => "업스트림 주소에서 연결을 거부했습니다.",
        Sign::Reset => "업스트림과의 연결이 강제로 끊어졌습니다.",
        Sign::TlsFailed => {
            "받은 인증서가 업스트림의 것이 아니거나 신뢰할 수 없는 기관에서 발급되었습니다. 그 주소에서 다른 장치가 \
             응답하고 있습니다."
        }
        Sign::CertificateExpired => {
            "이 장비의 시각을 기준으로 업스트림 인증서가 만료되었습니다. 먼저 장비의 시계를 확인하십시오."
        }
        Sign::CertificateNotYetValid => {
            "이 장비의 시각을 기준으로 업스트림 인증서가 아직 유효하지 않습니다. 장비의 시계가 틀렸을 가능성이 크므로 \
             먼저 시계를 확인하십시오."
        }
        Sign::Silent => "업스트림이 제한 시간 안에 응답하지 않았습니다.",
        Sign::NotJson => "업스트림의 응답 대신 웹 페이지, 리디렉션 또는 네트워크 로그인이 돌아왔습니다.",
        Sign::Malformed => "응답이 중간에 끊겼거나 업스트림의 형식이 아닙니다.",
        Sign::ModelMissing => "업스트림에 이 모델이 없거나 목록에서 사라졌습니다.",
        Sign::QuotaSpent => "업스트림이 계정의 할당량 또는 잔액이 소진되었다고 응답했습니다.",
        Sign::NoKey => "업스트림의 키 파일을 읽을 수 없어 요청을 보내지 않습니다.",
        Sign::Slow => "경로는 정상이지만 응답이 제한 시간보다, 또는 로컬 모델보다 늦게 왔습니다.",
        Sign::Status(status) => return format!("업스트림이 상태 코드 {status}로 응답했습니다."),
    };
    text.to_owned()
}

fn link(link: Link, language: Language) -> Option<&'static str> {
    Some(match (link, language) {
        (Link::Unknown, _) => return None,
        (Link::Up, Language::English) => "The box's own link is up and has a default route.",
        (Link::Up, Language::Korean) => "장비의 외부 링크는 정상이며 기본 경로가 있습니다.",
        (Link::NoCarrier, Language::English) => "The box's outside interface has no carrier.",
        (Link::NoCarrier, Language::Korean) => "장비의 외부 인터페이스에 링크 신호가 없습니다.",
        (Link::NoDefaultRoute, Language::English) => "The box has no default route.",
        (Link::NoDefaultRoute, Language::Korean) => "장비에 기본 경로가 없습니다.",
    })
}

fn others_in_words(others: Asked, language: Language) -> Option<String> {
    let (asked, answering) = (others.asked, others.answering());
    Some(match (language, answering) {
        (Language::English, 0) => format!("Of {asked} other upstreams none gets through."),
        (Language::English, _) => format!("Of {asked} other upstreams {answering} are not affected."),
        (Language::Korean, 0) => format!("다른 업스트림 {asked}곳도 모두 연결되지 않습니다."),
        (Language::Korean, _) => format!("다른 업스트림 {asked}곳 중 {answering}곳은 영향이 없습니다."),
    })
}

fn witnesses(witnesses: Asked, language: Language) -> String {
    let (asked, answering) = (witnesses.asked, witnesses.answering());
    match (language, asked) {
        (Language::English, 0) => "No witness that has ever answered is there to be asked.".to_owned(),
        (Language::English, _) => format!("Of {asked} witnesses that are no upstream {answering} answer."),
        (Language::Korean, 0) => "확인에 쓸 수 있는 증인 호스트(응답한 적이 있는 곳)가 없습니다.".to_owned(),
        (Language::Korean, _) => {
            format!("업스트림이 아닌 증인 호스트 {asked}곳 중 {answering}곳이 응답합니다.")
        }
    }
}

fn names(names: Asked, language: Language) -> Option<String> {
    let (asked, answering) = (names.asked, names.answering());
    (asked > 0).then(|| match language {
        Language::English => format!("Of {asked} other names {answering} are resolved."),
        Language::Korean => format!("다른 이름 {asked}개 중 {answering}개가 조회됩니다."),
    })
}

fn addresses(addresses: Asked, language: Language) -> Option<String> {
    let (asked, answering) = (addresses.asked, addresses.answering());
    (asked > 0).then(|| match language {
        Language::English => {
            format!("At their last known addresses {answering} of {asked} upstreams answer.")
        }
        Language::Korean => {
            format!("마지막으로 확인된 주소에서는 업스트림 {asked}곳 중 {answering}곳이 응답합니다.")
        }
    })
}
