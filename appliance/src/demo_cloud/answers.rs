//! What the demo cloud says: a few written answers in English and Korean, each labelled as a demo.

/// Words that call an answer, and the answer in that language.
struct Topic {
    words: &'static [&'static str],
    text: &'static str,
}

const ENGLISH: &[Topic] = &[
    Topic {
        words: &["sbar", "handoff", "handover"],
        text: "Situation: Mr. Lee in bed 12 has a rising temperature, 38.6 °C at 14:00. \
               Background: second day after a hip replacement, no known allergies. \
               Assessment: he is alert, the wound is dry, and a urinary infection is possible. \
               Recommendation: please review within the hour, and order a urine culture before antibiotics.",
    },
    Topic {
        words: &["outage", "internet", "network", "offline"],
        text: "In an outage, keep working from the downtime forms, note the time of every entry, and tell the \
               desk that coordinates the recovery which systems you cannot reach. Enter what was written on \
               paper when the systems are back, and mark it as entered late. Nobody should repeat an order \
               only because a screen did not confirm it: call first.",
    },
    Topic {
        words: &["translate", "translation"],
        text: "Here is the sentence in Korean: 곧 간호사가 와서 도와드리겠습니다. It says: a nurse will come \
               soon and help you. For consent forms, please ask a qualified interpreter.",
    },
    Topic {
        words: &["transfer", "loan", "account", "customer"],
        text: "Confirm the customer's identity with two documents, write the request down with its time and \
               amount, and give the customer a numbered receipt. Amounts over the branch limit wait for a \
               second signature. Tell the customer honestly when the transfer is expected to leave.",
    },
];

const KOREAN: &[Topic] = &[
    Topic {
        words: &["인수인계", "sbar", "SBAR"],
        text: "상황: 12번 침상 이 환자의 체온이 14시에 38.6도로 올랐습니다. 배경: 고관절 수술 후 이틀째이며 \
               알려진 알레르기는 없습니다. 평가: 의식은 명료하고 상처는 깨끗하며 요로 감염이 의심됩니다. \
               권고: 한 시간 안에 진료해 주시고, 항생제 전에 소변 배양 검사를 처방해 주십시오.",
    },
    Topic {
        words: &["정전", "장애", "인터넷", "네트워크", "오프라인"],
        text: "장애가 나면 비상 서식으로 업무를 계속하고, 모든 기록에 시각을 적고, 연결되지 않는 시스템을 복구 \
               담당 창구에 알려 주십시오. 시스템이 돌아오면 종이에 적은 내용을 입력하고 늦게 입력했다고 \
               표시합니다. 화면이 확인해 주지 않았다는 이유만으로 처방을 반복하지 말고 먼저 전화하십시오.",
    },
    Topic {
        words: &["번역", "영어로"],
        text: "영어로는 이렇게 말합니다: A nurse will come soon and help you. 동의서처럼 중요한 문서는 \
               자격을 갖춘 통역사에게 맡기십시오.",
    },
    Topic {
        words: &["송금", "대출", "계좌", "고객"],
        text: "서류 두 가지로 고객의 신분을 확인하고, 요청 시각과 금액을 적은 뒤 번호가 있는 접수증을 드리십시오. \
               지점 한도를 넘는 금액은 두 번째 결재를 기다립니다. 송금이 언제 나갈지 고객에게 솔직하게 \
               말씀드리십시오.",
    },
];

const ENGLISH_ELSE: &str = "This is a written demo answer. The demo cloud stands in for a real cloud model on this \
    machine, so that you can see what the box does when the cloud goes away. A real upstream would answer your \
    question here. Now press \"cut the cloud\" and ask again: the connection is refused for real, and the model on \
    the box's own disk takes over.";

const KOREAN_ELSE: &str = "미리 써 둔 시연용 답입니다. 이 시연용 클라우드는 같은 컴퓨터에서 실제 클라우드 모델을 대신하며, \
    클라우드가 끊어질 때 장비가 어떻게 하는지 보여 줍니다. 실제 연결이라면 여기에서 질문에 답할 것입니다. \
    이제 \"클라우드 끊기\"를 누르고 다시 물어보십시오. 연결이 실제로 거부되고, 장비의 디스크에 있는 모델이 \
    이어받습니다.";

/// The labelled answer to `question`, in its language.
pub(super) fn answer(question: &str) -> String {
    let (topics, otherwise) =
        if is_korean(question) { (KOREAN, KOREAN_ELSE) } else { (ENGLISH, ENGLISH_ELSE) };
    let asked = question.to_lowercase();
    let topic = topics.iter().find(|topic| topic.words.iter().any(|word| asked.contains(word)));
    format!("[demo cloud] {}", topic.map_or(otherwise, |topic| topic.text))
}

/// Any Hangul syllable or letter makes a question Korean.
fn is_korean(question: &str) -> bool {
    question.chars().any(|char| matches!(char, '가'..='힣' | 'ㄱ'..='ㅎ' | 'ㅏ'..='ㅣ'))
}
