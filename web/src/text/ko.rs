//! The Korean texts, in the polite formal style that a hospital writes.
//!
//! A name that is filled in at run time is followed only by particles that do not depend on its last sound.

mod rights;

use super::{
    AccountText, AnswerText, BandText, BandWords, ChatText, DemoText, ErrorText, FrameText, LineText,
    NoticeText, OrderText, Refusal, SecondLookText, StatusText, Text,
};

pub(super) static TEXT: Text = Text {
    frame: FrameText {
        skip_to_content: "본문으로 건너뛰기",
        navigation: "메뉴",
        chat: "질문하기",
        status: "운영 현황",
        orders: "지시",
        drills: "훈련",
        outages: "장애 기록",
        second_look: "재확인",
        people: "사용자",
        rights: "권한",
        emergency: "비상 권한",
        sign_out: "로그아웃",
        language: "언어",
    },
    actor: super::actor::KO,
    band: BAND,
    notice: NOTICE,
    line: LineText {
        label: "현재 요청을 처리하는 곳",
        requests: "요청",
        cloud: "클라우드",
        local: "건물 내부",
        carries: "요청 처리 중",
        carries_part: "요청 일부 처리 중",
        stands_by: "대기 중",
        out: "연결 안 됨",
        not_set_up: "설정되지 않음",
        not_ready: "준비되지 않음",
    },
    chat: CHAT,
    answer: ANSWER,
    status: STATUS,
    account: ACCOUNT,
    own_account: super::own_account::KO,
    second_factor: super::second_factor::KO,
    provider: super::provider::KO,
    demo: DemoText {
        title: "데모 클라우드 (평가용 대역)",
        explanation: "이 카드는 평가용 구성에만 있습니다. 가상의 클라우드 연결을 끊어, 직원에게 어떻게 보이는지 확인할 수 있습니다.",
        is_up: "데모 클라우드가 작동 중입니다.",
        is_cut: "데모 클라우드가 끊겨 있습니다.",
        cut: "클라우드 끊기",
        restore: "클라우드 복구",
        after_cut: "이제 다시 질문해 보십시오. 건물 내부의 모델이 답변합니다.",
        after_restore: "질문을 해 보신 뒤 클라우드를 끊고 다시 질문해 보십시오. 복구 후에는 점검에 세 번 성공한 다음 대화의 비율을 늘려 가며 단계적으로 클라우드로 돌아갑니다.",
        failed: "데모 클라우드의 제어 주소가 응답하지 않습니다. “genset demo-cloud” 프로세스가 실행 중인지 확인해 주십시오.",
    },
    order: ORDER,
    drill: super::drill::KO,
    outage: super::outage::KO,
    second_look: SECOND_LOOK,
    keeping: super::keeping::KO,
    machine: super::machine::KO,
    directory: super::directory::KO,
    recording: super::recording::KO,
    retention: super::retention::KO,
    event: super::event::KO,
    rights: rights::RIGHTS,
    error: ERROR,
};

const BAND: BandText = BandText {
    label: "현재 운영 상태",
    connected: BandWords {
        title: |_| "정상 연결".to_owned(),
        changed: "클라우드 모델이 질문에 답변합니다.",
        todo: "",
    },
    degraded: BandWords {
        title: |since| format!("{since}부터 일부 클라우드에 연결되지 않습니다"),
        changed: "일부 질문은 다른 클라우드 모델이나 건물 내부의 모델이 답변합니다. 답변마다 어느 모델인지 표시됩니다.",
        todo: "평소대로 업무를 계속하십시오.",
    },
    offline: BandWords {
        title: |since| format!("{since}부터 클라우드에 연결되지 않습니다"),
        changed: "지금은 건물 내부의 더 작은 모델이 질문에 답변합니다.",
        todo: "업무를 계속하시되 이름, 수치, 용량은 평소 사용하시는 자료로 확인해 주십시오.",
    },
    offline_pilot_light: BandWords {
        title: |since| format!("{since}부터 클라우드에 연결되지 않습니다"),
        changed: "지금은 아주 작은 비상 모델(pilot light)만 답변합니다. 장애 시 대응 방법 외에는 아는 것이 거의 없습니다.",
        todo: "그 밖의 업무는 시스템 중단 시 절차에 따라 진행해 주십시오.",
    },
    no_cloud: BandWords {
        title: |_| "건물 내부에서 운영 중".to_owned(),
        changed: "클라우드가 설정되어 있지 않습니다. 모든 질문은 건물 내부의 모델이 답변합니다.",
        todo: "",
    },
    unanswerable: BandWords {
        title: |since| format!("{since}부터 답변할 수 있는 모델이 없습니다"),
        changed: "클라우드에 연결되지 않고, 건물 내부의 모델도 아직 준비되지 않았습니다. 기존 대화는 보관되어 있으며 읽고 인쇄할 수 있습니다.",
        todo: "시스템 중단 시 절차에 따라 주십시오. 답변이 가능해지면 이 표시가 바로 바뀝니다.",
    },
    recovering: BandWords {
        title: |since| format!("{since}부터 클라우드 연결이 복구되고 있습니다"),
        changed: "대화는 단계적으로 클라우드로 돌아갑니다. 답변마다 어느 모델이 작성했는지 표시됩니다.",
        todo: "장애 중에 작은 모델이 드린 답변 가운데 중요한 것은 다시 한 번 확인해 주십시오.",
    },
    forced_local: BandWords {
        title: |since| format!("{since}부터 지시에 따라 클라우드를 사용하지 않습니다"),
        changed: "책임자의 지시로 모든 질문을 건물 내부의 더 작은 모델이 답변합니다.",
        todo: "업무를 계속하시되 이름, 수치, 용량은 평소 사용하시는 자료로 확인해 주십시오.",
    },
    forced_cloud: BandWords {
        title: |since| format!("{since}부터 지시에 따라 클라우드만 사용합니다"),
        changed: "책임자의 지시로 장애가 있더라도 모든 질문을 클라우드로 보냅니다.",
        todo: "답변에 실패하면 다시 질문하시거나 책임자에게 알려 주십시오.",
    },
    drill: BandWords {
        title: |since| format!("훈련 중: {since}부터 장애 상황을 연습하고 있습니다"),
        changed: "클라우드가 끊긴 것으로 간주하고 건물 내부의 모델이 답변합니다. 실제 장애가 아닙니다.",
        todo: "실제 장애와 똑같이 업무를 진행해 주십시오.",
    },
};

const NOTICE: NoticeText = NoticeText {
    outage_began: |at| {
        format!("{at}에 클라우드 모델과의 연결이 끊겼습니다. 그 뒤로는 건물 내부의 모델이 답변합니다.")
    },
    cloud_back: |from, at| {
        format!(
            "{at}부터 클라우드 모델을 다시 사용합니다. {from}부터 {at}까지의 답변은 건물 내부의 모델이 작성했습니다."
        )
    },
    brown_out: [
        |at| {
            format!(
                "질문이 한꺼번에 몰리고 있습니다. 모두 답변을 받으실 수 있도록 {at}부터 답변을 짧게 드립니다."
            )
        },
        |at| format!("질문이 매우 많이 몰리고 있습니다. {at}부터 답변을 훨씬 짧게 드립니다."),
        |at| format!("질문이 매우 많이 몰리고 있습니다. {at}부터 더 작은 모델이 짧게 답변합니다."),
        |at| {
            format!(
                "건물 내부 모델의 처리 한도에 이르렀습니다. {at}부터 일괄 작업은 대기하고, 직원의 질문에는 짧게 답변합니다."
            )
        },
        |at| {
            format!(
                "건물 내부 모델의 처리 한도에 이르렀습니다. {at}부터 일부 질문은 대기 시간을 안내한 뒤 받지 않으며, 진료 관련 요청을 먼저 처리합니다."
            )
        },
    ],
    brown_out_over: |at| format!("{at}부터 답변 길이가 평소대로 돌아왔습니다."),
    drill_began: |at| {
        format!("{at}에 훈련이 시작되었습니다. 장애 상황을 연습하는 것이며 실제 장애가 아닙니다.")
    },
    drill_passed: |at| format!("{at}에 훈련이 끝났으며 합격했습니다."),
    drill_failed: |at| format!("{at}에 훈련이 끝났으며 합격하지 못했습니다. 책임자가 확인하고 있습니다."),
    forced_local: |until| format!("책임자의 지시로 {until}까지 건물 내부의 모델이 답변합니다."),
    forced_cloud: |until| format!("책임자의 지시로 {until}까지 질문을 클라우드로 보냅니다."),
    isolated: |upstream, until| {
        format!("책임자의 지시로 {until}까지 클라우드 계정 {upstream} 사용을 중단합니다.")
    },
    isolation_over: |upstream, at| format!("{at}부터 클라우드 계정 {upstream} 사용이 다시 허용됩니다."),
    loaded: |model, until| format!("책임자의 지시로 {until}까지 {model} 모델을 불러와 사용합니다."),
    unloaded: |model, until| format!("책임자의 지시로 {until}까지 {model} 모델을 메모리에서 내려 둡니다."),
    model_order_over: |model, at| format!("{model} 모델에 대한 지시가 {at}에 끝났습니다."),
    order_over: |at| format!("{at}에 지시가 끝났습니다. 이제 장비가 다시 스스로 판단합니다."),
    glass_broken: |at| format!("{at}에 누군가 비상 권한을 사용했습니다. 사용 내역은 나중에 검토됩니다."),
};

const CHAT: ChatText = ChatText {
    title: "질문하기",
    new_conversation: "새 대화",
    conversations: "내 대화",
    no_conversations: "아직 대화가 없습니다. 여기서 나눈 대화는 본인만 볼 수 있습니다.",
    empty_title: "무엇을 도와드릴까요?",
    empty_hint: "답변마다 작성한 모델의 이름이 표시되며, 클라우드가 끊기면 그 사실도 함께 알려 드립니다.",
    your_question: "질문",
    placeholder: "질문을 입력해 주십시오",
    assistant: "도우미",
    no_assistant: "사용할 수 있는 도우미가 없습니다. 관리자가 설정 파일에 [[alias]] 항목을 추가하거나 권한을 부여해야 합니다.",
    send: "질문",
    stop: "중지",
    keys: "Enter 키로 보내고, Shift + Enter 키로 줄을 바꿉니다",
    you: "나",
    answer: "답변",
    working: "답변을 작성하고 있습니다 …",
    waiting: |position, wait_s| format!("대기 순서 {position}번이며, 약 {wait_s}초 남았습니다."),
    complete: "답변이 완료되었습니다.",
    lost: "장비와의 연결이 끊어졌습니다. 답변이 여기에서 중단되었으며, 지금까지의 내용은 보관됩니다.",
    ask_again: "다시 질문하기",
    print: "인쇄",
    print_notice: "언어 모델이 작성한 글이며 검토되지 않았습니다. 사용하기 전에 확인해 주십시오.",
    careful: "답변이 틀릴 수 있습니다. 사용하기 전에 확인해 주십시오.",
    empty_question: "질문이 비어 있습니다. 아래에 입력하여 다시 보내 주십시오.",
    long_question: "질문이 16,000자를 넘습니다. 줄이거나 나누어 보내 주십시오.",
    refused_too_long: "대화가 지금 답변하는 모델이 처리하기에 너무 길어졌습니다. 새 대화를 시작해 주십시오.",
    refused_often: "진행 중이거나 1분 안에 보낸 질문이 한 사람에게 허용된 수를 넘었습니다. 잠시 후 다시 질문해 주십시오.",
    refused_busy: "장비에서 처리 중인 답변이 너무 많습니다. 잠시 후 다시 질문해 주십시오.",
    refused_unknown_assistant: "더 이상 사용할 수 없는 도우미입니다. 아래에서 다른 도우미를 선택해 주십시오.",
    refused_restricted: "이 도우미를 사용할 권한이 없습니다. 관리자에게 요청해 주십시오. 비상시에는 위의 ‘비상 권한’에서 한 시간 동안 열 수 있습니다.",
    refused_unready: "클라우드와 건물 내부의 모델 모두 답변할 수 없었습니다.",
    refused_lacks: "질문에 필요한 기능(언어, 이미지, 도구 등)을 지금 답변할 수 있는 모델이 지원하지 않습니다.",
    refused_filter: "클라우드의 콘텐츠 필터가 이 질문을 거부했습니다. 다른 모델에는 다시 묻지 않습니다.",
    refused_otherwise: "모델이 질문을 받아들이지 않았거나 답변을 끝내지 못했습니다.",
};

const ANSWER: AnswerText = AnswerText {
    by_cloud: |model, upstream| format!("클라우드 모델 {model}({upstream})에서 답변했습니다."),
    by_local: |model| format!("건물 내부의 모델 {model}에서 답변했습니다."),
    by_pilot_light: |model| format!("건물 내부의 소형 비상 모델 {model}에서 답변했습니다."),
    by_nobody: "답변한 모델이 없습니다.",
    begun_by: |model| format!("{model}에서 시작했습니다."),
    finished_by_cloud: |model, upstream| format!("클라우드 모델 {model}({upstream})에서 마무리했습니다."),
    finished_by_local: |model| format!("건물 내부의 모델 {model}에서 마무리했습니다."),
    finished_by_pilot_light: |model| format!("건물 내부의 소형 비상 모델 {model}에서 마무리했습니다."),
    cloud_out_since: |since| format!("{since}부터 클라우드에 연결되지 않습니다."),
    cloud_was_out_from: |from| format!("{from}부터 클라우드에 연결되지 않던 중이었습니다."),
    cloud_out: "당시 클라우드에 연결되지 않았습니다.",
    cloud_slow: "클라우드의 응답이 너무 느렸습니다.",
    cloud_too_short: "클라우드 모델이 처리하기에는 대화가 너무 길었습니다.",
    cloud_lacks: "클라우드 모델이 요청된 기능을 지원하지 않습니다.",
    brown_out: "질문이 한꺼번에 몰려 더 작은 모델이 답변했습니다.",
    other_standby: "건물 내부의 다른 모델이 답변할 수 없었습니다.",
    shortened: |messages| {
        format!("대화가 너무 길어 가장 오래된 메시지 {messages}개를 제외하고 답변했습니다.")
    },
    cloud_recovering: "클라우드 연결이 아직 복구되는 중이었습니다.",
    cloud_throttled: "클라우드가 요청 수를 줄이도록 요구했습니다.",
    kept_inside: "건물 내부에서만 처리하도록 지정된 질문입니다.",
    warm_share: "평소에도 대화의 일부는 연습을 위해 건물 내부에서 답변합니다.",
    begun_inside: "건물 내부에서 시작된 대화이므로 건물 내부에서 마무리합니다.",
    by_order: "책임자의 지시에 따른 것입니다.",
    in_a_drill: "훈련 중이었습니다.",
    cloud_quota: "정해진 클라우드 사용량을 모두 사용한 상태였습니다.",
    other_cloud: "첫 번째 순위의 모델을 사용할 수 없었습니다.",
    no_cloud: "이 도우미에는 클라우드가 설정되어 있지 않습니다.",
    seam_local: |first, next| {
        format!("{first}의 답변이 여기에서 끊겼습니다. 이후는 건물 내부의 {next}에서 이어 작성했습니다.")
    },
    seam_cloud: |first, next| {
        format!("{first}의 답변이 여기에서 끊겼습니다. 이후는 클라우드 모델 {next}에서 이어 작성했습니다.")
    },
    pending: "답변을 작성하고 있습니다. 잠시 후 페이지를 새로 고쳐 주십시오.",
    cut: "답변이 중간에 끊겼습니다. 완성된 답변이 아닙니다.",
    failed: "답변을 받지 못했습니다. 질문은 보관되어 있습니다.",
    not_reviewed: "검토되지 않음",
};

const STATUS: StatusText = StatusText {
    title: "운영 현황",
    upstreams: "클라우드 계정",
    no_upstreams: "설정된 클라우드 계정이 없습니다.",
    name: "이름",
    breaker: "차단기",
    finding: "진단",
    share: "대화 비율",
    last_probe: "마지막 점검",
    evidence: "근거",
    demo: "데모",
    breaker_closed: "닫힘: 요청을 보냅니다",
    breaker_open: "열림: 요청을 보내지 않습니다",
    breaker_half_open: "반열림: 시험 중입니다",
    nothing_wrong: "이상이 발견되지 않았습니다.",
    never: "아직 없음",
    locals: "건물 내부의 모델",
    no_locals: "설정된 내부 모델이 없어 장애 시 답변할 수 없습니다.",
    state: "상태",
    proof: "작동 확인",
    device: "장치",
    in_flight: "진행 중인 답변",
    starting: "시작하는 중",
    loading: |percent| format!("불러오는 중, {percent} %"),
    ready: "준비됨",
    failed: "실패",
    unloading: "내리는 중: 마지막 답변을 마무리합니다",
    unloaded: "불러오지 않음",
    proven: |age_s| format!("{age_s}초 전에 토큰을 생성했습니다"),
    unproven: "최근 1분 동안 생성한 토큰이 없습니다",
    alarm_not_loaded: |model| {
        format!(
            "{model} 모델을 아직 불러오지 못해 지금 클라우드가 끊기면 답변할 수 없습니다. 아래 상태가 ‘준비됨’이 될 때까지 기다리십시오. 5분이 넘게 걸리면 genset을 다시 시작하십시오."
        )
    },
    alarm_failed: |model| {
        format!(
            "{model} 모델을 불러올 수 없어 지금 클라우드가 끊기면 답변할 수 없습니다. 관리자는 아래 표에서 원인을 확인해 해결하십시오. 해결되면 장비가 모델을 자동으로 불러옵니다."
        )
    },
    alarm_unproven: |model| {
        format!(
            "{model} 모델이 최근 1분 동안 토큰을 생성하지 않아 지금 클라우드가 끊기면 답변하지 못할 수 있습니다. 멈춘 모델은 장비가 다시 시작합니다. 이 알림이 2분 넘게 계속되면 genset을 다시 시작하십시오."
        )
    },
    is_embedding: "텍스트를 벡터로 변환합니다",
    is_rerank: "문서의 관련도를 평가합니다",
    worked: |age_s| format!("{age_s}초 전에 작업했습니다"),
    idle: "최근 1분 동안 수행한 작업이 없습니다",
    alarm_vectors: |model| {
        format!(
            "{model} 모델의 작동이 확인되지 않아 이 모델로 검색하는 프로그램이 결과를 얻지 못할 수 있습니다. 아래 상태가 ‘준비됨’이 될 때까지 기다리십시오. 5분이 넘게 걸리면 관리자는 아래 표에서 원인을 확인하십시오."
        )
    },
    model_facts: |facts| {
        format!(
            "{}MB, {}개 층, 학습 문맥 {}토큰, 대화 토큰당 메모리 {:.1}kB, SHA-256 {}…",
            facts.size_bytes / 1_000_000,
            facts.layers,
            facts.context_train,
            facts.kv_bytes_per_token as f64 / 1000.0,
            facts.sha256.get(..12).unwrap_or_default()
        )
    },
    alarm_unconfined: |model| {
        format!(
            "{model} 모델은 작동하지만 이 장비의 커널이 모델 프로세스를 격리하지 않습니다. 조작된 모델 파일이 다른 파일이나 네트워크에 접근할 수 있습니다. Landlock과 seccomp을 지원하는 커널(리눅스 5.13 이상, 보안 모듈 목록에 Landlock 포함)을 사용하십시오."
        )
    },
    alarm_alias: |alias| {
        format!(
            "{alias}: 작동이 확인된 대기 모델이 없어 지금 클라우드가 끊기면 사용자가 답변을 받지 못할 수 있습니다. 아래의 모델 중 하나를 ‘준비됨’ 상태로 만들거나 설정에 다른 대기 모델을 추가하십시오."
        )
    },
    aliases: "도우미별 처리 경로",
    cloud_routes: "클라우드 (순서대로)",
    standby: "대기 모델 (순서대로)",
    none: "없음",
    outages: "장애 기록",
    no_outages: "기록된 장애가 없습니다.",
    began: "시작",
    ended: "종료",
    still_running: "진행 중",
    cause: "원인",
    served_local: "건물 내부 답변 수",
    announcements: "공지",
    no_announcements: "장비가 시작된 뒤 공지된 내용이 없습니다.",
    events: "최근 변동",
    no_events: "아직 기록이 없습니다.",
    state_connected: "정상 연결",
    state_degraded: "일부 클라우드 끊김",
    state_offline: "클라우드 끊김",
    state_recovering: "클라우드 복구 중",
    state_forced_local: "지시에 따라 내부 처리",
    state_forced_cloud: "지시에 따라 클라우드 처리",
    state_drill: "훈련",
    event_site_state: |from, to| format!("운영 상태가 ‘{from}’에서 ‘{to}’(으)로 바뀌었습니다."),
    event_breaker_open: |upstream| format!("{upstream}: 차단기가 열려 더 이상 요청을 보내지 않습니다."),
    event_breaker_closed: |upstream| format!("{upstream}: 다시 작동하여 차단기가 닫혔습니다."),
    event_outage_began: "장애가 시작되었습니다.",
    event_outage_ended: "장애가 끝났습니다.",
    event_brown_out: |step| {
        format!(
            "건물 내부의 모델이 한꺼번에 처리할 수 있는 양보다 요청이 많아 부하 조절 {step}단계가 되었습니다."
        )
    },
    event_brown_out_over: "부하 조절이 끝나 답변 길이가 평소대로 돌아왔습니다.",
    event_setup_finished: |who| format!("{who} 장비를 설정하고 소유자가 되었습니다."),
    event_sign_in: |who| format!("{who} 로그인했습니다."),
    event_sign_out: |who| format!("{who} 로그아웃했습니다."),
    event_demo_cut: |who| format!("{who} 데모 클라우드를 끊었습니다."),
    event_demo_restored: |who| format!("{who} 데모 클라우드를 복구했습니다."),
    event_second_look_marked: |who| format!("{who} 답변 하나를 확인한 것으로 표시했습니다."),
    event_sign_in_refused: "로그인이 거부되었습니다.",
    event_key_refused: "API 키가 거부되었습니다.",
    event_access_refused: |who| format!("{who} 권한 없이 요청하여 거부되었습니다."),
    event_sessions_ended: |who, whose| format!("{who} {whose} 님의 접속을 모두 끝냈습니다."),
    event_guessing: |account| match account {
        Some(account) => format!("‘{account}’ 계정의 로그인 시도가 너무 많아 1분 동안 거부했습니다."),
        None => "한 곳에서 로그인 시도가 너무 많아 1분 동안 거부했습니다.".to_owned(),
    },
    event_password_changed: |who| format!("{who} 비밀번호를 바꿨습니다."),
    event_session_ended: |who| format!("{who} 자신의 접속을 끝냈습니다."),
    event_second_factor_set_up: |who| format!("{who} 2단계 인증을 설정했습니다."),
    event_second_factor_removed: |who| format!("{who} 2단계 인증을 해제했습니다."),
    event_second_factor_reset: |name| format!("명령줄에서 ‘{name}’ 계정의 2단계 인증이 초기화되었습니다."),
    event_recovery_codes_renewed: |who| format!("{who} 복구 코드를 새로 만들었습니다."),
    event_second_step_refused: "로그인의 두 번째 단계가 거부되었습니다.",
    event_key_created: |name| format!("명령줄에서 API 키 ‘{name}’이(가) 만들어졌습니다."),
    event_key_revoked: |name| format!("명령줄에서 API 키 ‘{name}’이(가) 폐기되었습니다."),
    event_model_imported: |who, model| format!("{who} ‘{model}’ 모델을 가져왔습니다."),
    event_model_removed: |who, model| format!("{who} ‘{model}’ 모델을 제거했습니다."),
    event_model_accepted: |who, model| format!("{who} 변경된 ‘{model}’ 모델 파일을 승인했습니다."),
    event_model_first_seen: |model| {
        format!("‘{model}’ 모델을 처음 불러왔습니다. 이제부터 이 모델의 파일은 그대로 유지되어야 합니다.")
    },
    event_setup_code_made: "명령줄에서 새 설정 코드가 만들어졌습니다.",
    event_drill_of_the_schedule: "예정된 훈련이 시작되었습니다.",
    event_drill_began: |who| format!("{who} 훈련을 시작했습니다."),
    event_drill_passed: "훈련이 합격으로 끝났습니다.",
    event_drill_not_passed: "훈련이 합격하지 못하고 끝났습니다.",
    event_order_given: |who, kind| format!("{who} ‘{kind}’ 지시를 내렸습니다."),
    event_order_lifted: |who, kind| format!("{who} ‘{kind}’ 지시를 해제했습니다."),
    event_order_expired: |kind| format!("‘{kind}’ 지시의 기한이 끝났습니다."),
    when: "시각",
    what: "내용",
    updated: |time| format!("{time} 기준이며, 이 페이지는 자동으로 갱신됩니다."),
    running_since: |time| format!("장비는 {time}부터 작동하고 있습니다."),
    reading_failed: "지금은 기록을 읽을 수 없습니다. 답변은 계속되며, 원인은 장비의 로그에 있습니다.",
};

const ACCOUNT: AccountText = AccountText {
    setup_title: "장비 초기 설정",
    setup_intro: "소유자 계정을 만듭니다. 설정 코드는 장비를 시작한 터미널에 표시되어 있으며, “genset setup-code” 명령으로 새로 받을 수 있습니다. 한 번만 사용할 수 있습니다.",
    setup_code: "설정 코드",
    setup_code_hint: "대소문자를 구분하지 않으며, 하이픈은 생략할 수 있습니다.",
    name: "계정 이름",
    name_hint: "예: 업무용 이메일 또는 이름의 약자",
    password: "비밀번호",
    password_hint: "12자 이상이어야 합니다. 여러 단어를 이어 쓰면 입력하기 쉽습니다.",
    password_again: "비밀번호 확인",
    make_account: "계정 만들기",
    sign_in_title: "로그인",
    sign_in: "로그인",
    wrong_code: "설정 코드가 올바르지 않습니다. 장비에서 “genset setup-code” 명령으로 새 코드를 받을 수 있습니다.",
    too_many_tries: "시도 횟수가 너무 많습니다. 1분 뒤에 다시 시도해 주십시오.",
    passwords_differ: "두 비밀번호가 서로 다릅니다. 다시 입력해 주십시오.",
    guessable_password: "쉽게 추측할 수 있는 비밀번호입니다. 유출된 적이 있거나, 규칙적이거나, 이곳에서 누구나 아는 이름으로 되어 있습니다. 본인만의 단어를 몇 개 이어 쓰십시오.",
    weak_password: "비밀번호가 너무 짧거나 깁니다. 12자 이상이어야 합니다.",
    bad_name: "사용할 수 없는 계정 이름입니다. 앞뒤 공백 없이 64자 이내로 정해 주십시오.",
    wrong_password: "이름 또는 비밀번호가 올바르지 않습니다. 비밀번호는 아무도 볼 수 없으며, 장비 소유자가 새로 정해 드릴 수 있습니다.",
    signed_out: "로그아웃되었습니다.",
    code_expired: "설정 코드가 만들어진 지 하루가 지났습니다. 장비에서 “genset setup-code” 명령으로 새 코드를 받을 수 있습니다.",
    store_failed: "지금은 장비가 계정 정보를 읽거나 쓸 수 없습니다. 원인은 장비의 로그에 있습니다. 잠시 후 다시 시도해 주십시오.",
    session_over: "접속 시간이 끝났습니다. 질문을 복사해 두신 뒤 페이지를 새로 고쳐 다시 로그인해 주십시오.",
};

const ORDER: OrderText = OrderText {
    title: "지시",
    explanation: "지시는 장비의 자체 판단보다 우선합니다. 지시에는 사유가 있어야 하고, 정해진 시간이 지나면 저절로 끝나며, 감사 기록에 남습니다.",
    force_local: "클라우드를 사용하지 않음",
    force_cloud: "모든 질문을 클라우드로 먼저 보냄",
    isolate: |upstream| format!("클라우드 계정 {upstream} 사용 중지"),
    load: |model| format!("{model} 모델 불러오기"),
    unload: |model| format!("{model} 모델 내리기"),
    told: |what, who, until, why| format!("{what}: {who} 님의 지시, {until}까지. 사유: {why}"),
    standing: "시행 중인 지시",
    none_stands: "시행 중인 지시가 없습니다. 장비가 스스로 판단합니다.",
    ended: "끝난 지시",
    none_ended: "끝난 지시가 없습니다.",
    order: "지시",
    kind_hint: "종류별로 하나씩만 시행할 수 있습니다. 이미 작성 중인 답변은 시작한 곳에서 마무리됩니다. 내리는 모델은 새 질문을 받지 않으며 1분 안에 내려갑니다. 불러오는 정도는 운영 현황 페이지에서 볼 수 있습니다.",
    reason: "사유",
    reason_hint: "3자 이상 200자 이내. 모든 페이지의 상단 표시에서 직원이 읽을 수 있습니다.",
    who: "지시자",
    given: "시작",
    until: "종료 예정",
    end: "종료",
    for_how_long: "기간",
    length: |minutes| match minutes {
        1..60 => format!("{minutes}분"),
        _ => format!("{}시간", minutes / 60),
    },
    give: "지시 내리기",
    lift: "해제",
    ran_out: |at| format!("{at}에 기한이 끝남"),
    lifted: |who, at| format!("{at}에 {who} 해제함"),
    no_such_kind: "그런 지시는 없습니다. 목록에서 선택해 주십시오.",
    bad_reason: "사유는 한 줄로 3자 이상 200자 이내여야 합니다.",
    bad_length: "지시의 기간은 1분 이상 24시간 이내여야 합니다.",
    stands: |what| format!("함께 시행할 수 없는 지시가 시행 중입니다: ‘{what}’. 먼저 해제해 주십시오."),
    unknown: "이미 끝난 지시입니다.",
    at_once: "같은 순간에 다른 지시가 내려졌습니다. 이 지시를 한 번 더 내려 주십시오.",
    store_failed: "지시를 기록하지 못하여 시행하지 않았습니다. 원인은 장비의 로그에 있습니다.",
};

const SECOND_LOOK: SecondLookText = SecondLookText {
    title: "재확인",
    explanation: "클라우드 대신 건물 내부의 모델이 작성한 답변입니다. 책임자가 다시 한번 확인할 수 있도록 모아 둔 목록이며, 질문과 답변의 내용은 표시되지 않습니다.",
    counts: |open, all| format!("전체 {all}건 가운데 {open}건을 아직 확인하지 않았습니다."),
    shown: |shown| format!("최근 {shown}건을 표시합니다."),
    none_open: "재확인을 기다리는 답변이 없습니다.",
    none: "아직 건물 내부의 모델이 클라우드를 대신해 답변한 적이 없습니다.",
    show_all: "확인한 답변도 보기",
    show_open: "확인하지 않은 답변만 보기",
    when: "시각",
    who: "요청자",
    by_key: |name| format!("API 키 {name}"),
    alias: "도우미",
    model: "모델",
    reason: "클라우드가 아닌 이유",
    size: "답변 길이",
    chars: |chars| format!("{chars}자"),
    looked: "확인",
    looked_by: |who, at| format!("{who}, {at}"),
    mark: "확인함",
    mark_label: |at, who| format!("확인함: {at}, {who} 님의 답변"),
};

const ERROR: ErrorText = ErrorText {
    bad_request: Refusal {
        title: "요청을 읽을 수 없습니다",
        what: "입력 항목이 빠졌거나 형식이 올바르지 않습니다.",
        still: "이전 페이지를 새로 고친 뒤 다시 보내 주십시오. 대화는 보관되어 있습니다.",
    },
    forbidden: Refusal {
        title: "이용 권한이 없습니다",
        what: "이 페이지를 보거나 이 작업을 할 권한이 계정에 없습니다.",
        still: "질문은 계속하실 수 있습니다. 권한은 장비 소유자가 부여할 수 있습니다.",
    },
    stale_form: Refusal {
        title: "유효하지 않은 입력 양식입니다",
        what: "이 포털에서 보낸 양식이 아니거나, 페이지를 연 뒤에 다시 로그인하셨습니다.",
        still: "변경된 내용은 없습니다. 이전 페이지를 새로 고친 뒤 다시 보내 주십시오.",
    },
    not_found: Refusal {
        title: "페이지를 찾을 수 없습니다",
        what: "이 주소에 저장된 내용이 없거나 다른 사람의 것입니다.",
        still: "다른 기능은 평소대로 이용하실 수 있습니다.",
    },
    wrong_method: Refusal {
        title: "이 방식으로는 열 수 없는 주소입니다",
        what: "페이지가 지원하지 않는 방식으로 호출되었습니다.",
        still: "첫 페이지에서 다시 시작해 주십시오.",
    },
    too_large: Refusal {
        title: "내용이 너무 깁니다",
        what: "보내신 내용이 64KB를 넘습니다.",
        still: "이전 페이지에서 내용을 줄이거나 나누어 보내 주십시오.",
    },
    internal: Refusal {
        title: "요청을 처리하지 못했습니다",
        what: "장비 내부에서 오류가 발생했습니다. 자세한 내용은 장비의 로그에 기록되어 있습니다.",
        still: "다른 페이지는 이용하실 수 있습니다. 잠시 후 다시 시도하시고, 계속되면 책임자에게 알려 주십시오.",
    },
    unrecorded: Refusal {
        title: "지금은 변경할 수 없습니다",
        what: "장비가 감사 기록을 쓸 수 없어 변경 사실을 증명할 수 없습니다. 변경된 내용은 없습니다.",
        still: "디스크의 문제와 해결 방법은 상태 페이지에 있습니다. 해결한 뒤 양식을 다시 보내 주십시오.",
    },
    back: "첫 페이지로",
};
