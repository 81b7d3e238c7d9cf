//! The English texts.

mod rights;

use super::{
    AccountText, AnswerText, BandText, BandWords, ChatText, DemoText, ErrorText, FrameText, LineText,
    NoticeText, OrderText, Refusal, SecondLookText, StatusText, Text,
};

pub(super) static TEXT: Text = Text {
    frame: FrameText {
        skip_to_content: "Skip to the content",
        navigation: "Pages",
        chat: "Ask",
        status: "Status",
        orders: "Orders",
        drills: "Drills",
        outages: "Outages",
        second_look: "Second look",
        people: "People",
        rights: "Rights",
        emergency: "Emergency",
        sign_out: "Sign out",
        language: "Language",
    },
    actor: super::actor::EN,
    band: BAND,
    notice: NOTICE,
    line: LineText {
        label: "Who carries the requests now",
        requests: "Requests",
        cloud: "Cloud",
        local: "Inside the building",
        carries: "carries the requests",
        carries_part: "carries a part of the requests",
        stands_by: "stands by",
        out: "out of reach",
        not_set_up: "not set up",
        not_ready: "not ready",
    },
    chat: CHAT,
    answer: ANSWER,
    status: STATUS,
    account: ACCOUNT,
    own_account: super::own_account::EN,
    second_factor: super::second_factor::EN,
    provider: super::provider::EN,
    demo: DemoText {
        title: "Demo cloud (a stand-in for evaluation)",
        explanation: "Only this evaluation set-up has this card. It cuts the way to a make-believe cloud, so that you can see what staff would see.",
        is_up: "The demo cloud is up.",
        is_cut: "The demo cloud is cut.",
        cut: "Cut the cloud",
        restore: "Restore the cloud",
        after_cut: "Now ask again: a model inside the building answers.",
        after_restore: "Ask something, cut the cloud, and ask again. After a restore the cloud returns step by step: first three good probes, then a growing share of conversations.",
        failed: "The demo cloud's control does not answer. Is the process “genset demo-cloud” still running?",
    },
    order: ORDER,
    drill: super::drill::EN,
    outage: super::outage::EN,
    second_look: SECOND_LOOK,
    keeping: super::keeping::EN,
    machine: super::machine::EN,
    directory: super::directory::EN,
    recording: super::recording::EN,
    retention: super::retention::EN,
    event: super::event::EN,
    rights: rights::RIGHTS,
    error: ERROR,
};

const BAND: BandText = BandText {
    label: "State of the site",
    connected: BandWords {
        title: |_| "Connected".to_owned(),
        changed: "Questions are answered by the cloud models.",
        todo: "",
    },
    degraded: BandWords {
        title: |since| format!("Part of the cloud has been out since {since}"),
        changed: "Some questions are answered by another cloud model or by a model inside the building. Each answer says which.",
        todo: "Go on working as usual.",
    },
    offline: BandWords {
        title: |since| format!("The cloud has been out of reach since {since}"),
        changed: "Questions are now answered by a smaller model inside the building.",
        todo: "Go on working. Check names, numbers and doses against your usual sources.",
    },
    offline_pilot_light: BandWords {
        title: |since| format!("The cloud has been out of reach since {since}"),
        changed: "Only the pilot light answers now: a very small emergency model that knows what to do in an outage, and little else.",
        todo: "For everything else, follow your downtime procedures.",
    },
    no_cloud: BandWords {
        title: |_| "Working inside the building".to_owned(),
        changed: "No cloud is set up. All questions are answered by the building's own models.",
        todo: "",
    },
    unanswerable: BandWords {
        title: |since| format!("No model can answer since {since}"),
        changed: "The cloud is out of reach and no model inside the building is ready yet. Your conversations are kept and can be read and printed.",
        todo: "Follow your downtime procedures. This band changes as soon as answers are possible.",
    },
    recovering: BandWords {
        title: |since| format!("The cloud has been coming back since {since}"),
        changed: "Conversations return to the cloud step by step. Each answer says which model wrote it.",
        todo: "Take a second look at important answers that the smaller model gave during the outage.",
    },
    forced_local: BandWords {
        title: |since| format!("By order, nothing has gone to the cloud since {since}"),
        changed: "A person in charge has ordered that all questions be answered inside the building, by a smaller model.",
        todo: "Go on working. Check names, numbers and doses against your usual sources.",
    },
    forced_cloud: BandWords {
        title: |since| format!("By order, everything has gone to the cloud since {since}"),
        changed: "A person in charge has ordered that all questions go to the cloud, even where it is failing.",
        todo: "If an answer fails, ask again, or tell the person in charge.",
    },
    drill: BandWords {
        title: |since| format!("Drill: an outage has been rehearsed since {since}"),
        changed: "The cloud is treated as lost, and models inside the building answer. This is not a real outage.",
        todo: "Work as you would in a real outage.",
    },
};

const NOTICE: NoticeText = NoticeText {
    outage_began: |at| {
        format!("The cloud models went out of reach at {at}. The in-house model has answered since then.")
    },
    cloud_back: |from, at| {
        format!(
            "The cloud models are back since {at}; answers between {from} and {at} came from the in-house model."
        )
    },
    brown_out: [
        |at| {
            format!(
                "Many people are asking at once. Since {at} answers are kept shorter, so that everybody gets one."
            )
        },
        |at| format!("Very many people are asking at once. Since {at} answers are kept much shorter."),
        |at| format!("Very many people are asking at once. Since {at} a smaller model gives short answers."),
        |at| {
            format!(
                "The in-house models are at their limit. Since {at} batch work waits; people are answered, in short."
            )
        },
        |at| {
            format!(
                "The in-house models are at their limit. Since {at} some questions are turned away with the time to wait; clinical requests go first."
            )
        },
    ],
    brown_out_over: |at| format!("Since {at} answers have their usual length again."),
    drill_began: |at| format!("A drill began at {at}: an outage is being rehearsed. It is not a real one."),
    drill_passed: |at| format!("The drill ended at {at} and was passed."),
    drill_failed: |at| {
        format!("The drill ended at {at} and was not passed. The people in charge look into it.")
    },
    forced_local: |until| format!("By order, questions are answered inside the building until {until}."),
    forced_cloud: |until| format!("By order, questions go to the cloud until {until}."),
    isolated: |upstream, until| format!("By order, the cloud account {upstream} is not used until {until}."),
    isolation_over: |upstream, at| format!("The cloud account {upstream} may be used again since {at}."),
    loaded: |model, until| format!("By order, the model {model} is loaded until {until}."),
    unloaded: |model, until| format!("By order, the model {model} is not loaded until {until}."),
    model_order_over: |model, at| format!("The order about the model {model} ended at {at}."),
    order_over: |at| format!("The order ended at {at}; the box decides again by itself."),
    glass_broken: |at| {
        format!("At {at} somebody broke the glass: an emergency right was taken, and will be reviewed.")
    },
};

const CHAT: ChatText = ChatText {
    title: "Ask",
    new_conversation: "New conversation",
    conversations: "Your conversations",
    no_conversations: "None yet. Only you see what you ask here.",
    empty_title: "What do you need?",
    empty_hint: "Each answer names the model that wrote it, and says so when the cloud is out.",
    your_question: "Your question",
    placeholder: "Write your question here",
    assistant: "Assistant",
    no_assistant: "There is no assistant that you may use. An administrator adds one as an [[alias]] in the configuration, or grants you one.",
    send: "Ask",
    stop: "Stop",
    keys: "Enter sends, Shift + Enter begins a new line",
    you: "You",
    answer: "Answer",
    working: "The answer is being written …",
    waiting: |position, wait_s| {
        format!("Your question is number {position} in line; about {wait_s} s to go.")
    },
    complete: "The answer is complete.",
    lost: "The connection to the box was lost. The answer is cut off here; what came so far is kept.",
    ask_again: "Ask again",
    print: "Print",
    print_notice: "Written by a language model. Not reviewed. Check before use.",
    careful: "Answers can be wrong. Check them before use.",
    empty_question: "The question was empty. Write it below and send it again.",
    long_question: "The question is longer than 16,000 characters. Shorten it or send it in parts.",
    refused_too_long: "The conversation has become too long for the model that is answering now. Begin a new conversation.",
    refused_often: "You have more questions under way, or within a minute, than one person may. Ask again in a moment.",
    refused_busy: "The box has too many answers under way. Ask again in a moment.",
    refused_unknown_assistant: "This assistant no longer exists. Choose another one below.",
    refused_restricted: "You may not use this assistant. Ask an administrator for it; in an emergency, “Emergency” above opens it for an hour.",
    refused_unready: "Neither the cloud nor a model inside the building could answer.",
    refused_lacks: "No model that can answer now can do what this question needs, such as its language, an image or a tool.",
    refused_filter: "The content filter of the cloud refused this question. It is not asked elsewhere.",
    refused_otherwise: "The model did not accept or did not finish this question.",
};

const ANSWER: AnswerText = AnswerText {
    by_cloud: |model, upstream| format!("Answered by the cloud model {model} ({upstream})."),
    by_local: |model| format!("Answered inside the building by {model}."),
    by_pilot_light: |model| format!("Answered inside the building by {model}, a small emergency model."),
    by_nobody: "No model answered.",
    begun_by: |model| format!("Begun by {model}."),
    finished_by_cloud: |model, upstream| format!("Finished by the cloud model {model} ({upstream})."),
    finished_by_local: |model| format!("Finished inside the building by {model}."),
    finished_by_pilot_light: |model| {
        format!("Finished inside the building by {model}, a small emergency model.")
    },
    cloud_out_since: |since| format!("The cloud has been out of reach since {since}."),
    cloud_was_out_from: |from| format!("The cloud was out of reach from {from}."),
    cloud_out: "The cloud was out of reach.",
    cloud_slow: "The cloud was too slow.",
    cloud_too_short: "The conversation was too long for the cloud model.",
    cloud_lacks: "The cloud model cannot do what was asked.",
    brown_out: "So much was asked at once that a smaller model answered.",
    other_standby: "Another model inside the building could not take it.",
    shortened: |messages| {
        format!("The conversation was too long: its {messages} oldest messages were left out of this answer.")
    },
    cloud_recovering: "The cloud was still coming back.",
    cloud_throttled: "The cloud asked for fewer requests.",
    kept_inside: "It was asked to stay inside the building.",
    warm_share: "A small part of the conversations is always answered inside the building, as an exercise.",
    begun_inside: "The conversation began inside the building and is finished there.",
    by_order: "A person in charge has ordered it so.",
    in_a_drill: "It was a drill.",
    cloud_quota: "The agreed amount of cloud use had been used up.",
    other_cloud: "The first choice was not available.",
    no_cloud: "No cloud is set up for this assistant.",
    seam_local: |first, next| format!("{first} broke off here. {next}, inside the building, wrote the rest."),
    seam_cloud: |first, next| format!("{first} broke off here. The cloud model {next} wrote the rest."),
    pending: "The answer is being written. Load the page anew in a moment.",
    cut: "This answer was cut off. It is not finished.",
    failed: "No answer came. Your question is kept.",
    not_reviewed: "not reviewed",
};

const STATUS: StatusText = StatusText {
    title: "Status",
    upstreams: "Cloud accounts",
    no_upstreams: "No cloud account is configured.",
    name: "Name",
    breaker: "Breaker",
    finding: "Finding",
    share: "Share of conversations",
    last_probe: "Last probe",
    evidence: "Evidence",
    demo: "demo",
    breaker_closed: "closed: passes requests",
    breaker_open: "open: refuses requests",
    breaker_half_open: "half-open: being tried",
    nothing_wrong: "Nothing wrong was found.",
    never: "not yet",
    locals: "Models inside the building",
    no_locals: "No local model is configured: nothing would answer in an outage.",
    state: "State",
    proof: "Proof",
    device: "Device",
    in_flight: "Answers under way",
    starting: "starting",
    loading: |percent| format!("loading, {percent} %"),
    ready: "ready",
    failed: "failed",
    unloading: "being unloaded: its last answers",
    unloaded: "not loaded",
    proven: |age_s| format!("generated a token {age_s} s ago"),
    unproven: "no token in the last minute",
    alarm_not_loaded: |model| {
        format!(
            "{model} is not loaded and could not answer if the cloud went out now. Wait until its state below is “ready”; if that takes longer than five minutes, restart genset."
        )
    },
    alarm_failed: |model| {
        format!(
            "{model} cannot be loaded and would not answer if the cloud went out now. The table below tells an administrator the reason; mend that, and the box loads the model by itself."
        )
    },
    alarm_unproven: |model| {
        format!(
            "{model} has generated no token in the last minute and might not answer if the cloud went out now. The box restarts a model that is stuck; if this stays for two minutes, restart genset."
        )
    },
    is_embedding: "makes vectors of texts",
    is_rerank: "scores documents",
    worked: |age_s| format!("worked {age_s} s ago"),
    idle: "no work in the last minute",
    alarm_vectors: |model| {
        format!(
            "{model} has not proven that it works, so programs that search with it may get no result. Wait until its state below is “ready”; if that takes longer than five minutes, an administrator finds the reason in the table."
        )
    },
    model_facts: |facts| {
        format!(
            "{} MB, {} layers, trained on {} tokens at once, {:.1} kB of memory for each token of a conversation; SHA-256 {}…",
            facts.size_bytes / 1_000_000,
            facts.layers,
            facts.context_train,
            facts.kv_bytes_per_token as f64 / 1000.0,
            facts.sha256.get(..12).unwrap_or_default()
        )
    },
    alarm_unconfined: |model| {
        format!(
            "{model} answers, but this machine's kernel does not confine its process: a manipulated model file could reach other files or the network. Use a kernel with Landlock and seccomp (Linux 5.13 or newer, Landlock in its list of security modules)."
        )
    },
    alarm_alias: |alias| {
        format!(
            "{alias} has no standby that has proven itself: if the cloud went out now, its users might get no answer. Bring one of its models below to “ready”, or give it another standby in the configuration."
        )
    },
    aliases: "Assistants and who serves them",
    cloud_routes: "Cloud, in order",
    standby: "Standby, in order",
    none: "none",
    outages: "Outages",
    no_outages: "No outage has been recorded.",
    began: "Began",
    ended: "Ended",
    still_running: "still running",
    cause: "Cause",
    served_local: "Answered inside the building",
    announcements: "Announcements",
    no_announcements: "Nothing has been announced since the box started.",
    events: "Latest events",
    no_events: "Nothing has happened yet.",
    state_connected: "connected",
    state_degraded: "part of the cloud out",
    state_offline: "cloud out of reach",
    state_recovering: "cloud coming back",
    state_forced_local: "local by order",
    state_forced_cloud: "cloud by order",
    state_drill: "drill",
    event_site_state: |from, to| format!("The site went from “{from}” to “{to}”."),
    event_breaker_open: |upstream| format!("{upstream}: the breaker opened; no more requests go there."),
    event_breaker_closed: |upstream| format!("{upstream}: works again; the breaker closed."),
    event_outage_began: "An outage began.",
    event_outage_ended: "The outage ended.",
    event_brown_out: |step| {
        format!(
            "More was asked than the models inside the building can answer at once: step {step} of the brown-out."
        )
    },
    event_brown_out_over: "The brown-out ended; answers have their usual length again.",
    event_setup_finished: |who| format!("{who} set up the box and became its owner."),
    event_sign_in: |who| format!("{who} signed in."),
    event_sign_out: |who| format!("{who} signed out."),
    event_demo_cut: |who| format!("{who} cut the demo cloud."),
    event_demo_restored: |who| format!("{who} restored the demo cloud."),
    event_second_look_marked: |who| format!("{who} marked an answer as looked at."),
    event_sign_in_refused: "A sign-in was refused.",
    event_key_refused: "A key of the API was refused.",
    event_access_refused: |who| format!("{who} was refused what they may not see or do."),
    event_sessions_ended: |who, whose| format!("{who} ended all sessions of {whose}."),
    event_guessing: |account| match account {
        Some(account) => {
            format!("Too many tries to sign in as “{account}”; further ones were refused for a minute.")
        }
        None => {
            "Too many tries to sign in from one place; further ones were refused for a minute.".to_owned()
        }
    },
    event_password_changed: |who| format!("{who} changed their password."),
    event_session_ended: |who| format!("{who} ended sessions of their own."),
    event_second_factor_set_up: |who| format!("{who} set up a second factor."),
    event_second_factor_removed: |who| format!("{who} removed their second factor."),
    event_second_factor_reset: |name| {
        format!("The second factor of “{name}” was reset from the command line.")
    },
    event_recovery_codes_renewed: |who| format!("{who} made new recovery codes."),
    event_second_step_refused: "The second step of a sign-in was refused.",
    event_key_created: |name| format!("The API key “{name}” was made from the command line."),
    event_key_revoked: |name| format!("The API key “{name}” was revoked from the command line."),
    event_model_imported: |who, model| format!("{who} imported the model “{model}”."),
    event_model_removed: |who, model| format!("{who} removed the model “{model}”."),
    event_model_accepted: |who, model| format!("{who} accepted a changed file for the model “{model}”."),
    event_model_first_seen: |model| {
        format!("The model “{model}” was loaded for the first time; its file must stay as it is from now on.")
    },
    event_setup_code_made: "A new setup code was made from the command line.",
    event_drill_of_the_schedule: "The scheduled drill began.",
    event_drill_began: |who| format!("{who} began a drill."),
    event_drill_passed: "A drill ended and was passed.",
    event_drill_not_passed: "A drill ended and was not passed.",
    event_order_given: |who, kind| format!("{who} gave the order “{kind}”."),
    event_order_lifted: |who, kind| format!("{who} lifted the order “{kind}”."),
    event_order_expired: |kind| format!("The order “{kind}” ran out."),
    when: "When",
    what: "What",
    updated: |time| format!("As of {time}. This page refreshes by itself."),
    running_since: |time| format!("The box has been running since {time}."),
    reading_failed: "The records cannot be read at the moment. The box goes on answering; the log of the box says why.",
};

const ACCOUNT: AccountText = AccountText {
    setup_title: "Set up this box",
    setup_intro: "Make the owner's account. The setup code was printed where the box was started; “genset setup-code” prints a new one. It works once.",
    setup_code: "Setup code",
    setup_code_hint: "Capital or small letters, with or without dashes.",
    name: "Account name",
    name_hint: "For example your work e-mail or your initials.",
    password: "Password",
    password_hint: "At least 12 characters. A few words in a row are easier to type than signs.",
    password_again: "Password, once more",
    make_account: "Make the account",
    sign_in_title: "Sign in",
    sign_in: "Sign in",
    wrong_code: "That setup code is not right. “genset setup-code” on the box prints a new one.",
    too_many_tries: "Too many tries. Wait a minute and try again.",
    passwords_differ: "The two passwords are not the same. Write both again.",
    guessable_password: "This password is guessed among the first: it was leaked somewhere, follows a pattern, or is made of names that everybody here knows. Take a few words of your own.",
    weak_password: "The password is too short or too long. It needs at least 12 characters.",
    bad_name: "That account name cannot be used. Choose one without spaces at its ends, up to 64 characters.",
    wrong_password: "The name or the password is not right. Nobody can see the password; the owner of the box can set a new one.",
    signed_out: "You are signed out.",
    code_expired: "That setup code is older than a day. “genset setup-code” on the box prints a new one.",
    store_failed: "The box cannot read or write its accounts at the moment. Its log says why. Try again in a moment.",
    session_over: "Your session is over. Copy your question, load the page anew and sign in again.",
};

const ORDER: OrderText = OrderText {
    title: "Orders",
    explanation: "An order stands above what the box decides by itself. It has a reason, it ends by itself, and the audit log keeps it.",
    force_local: "Nothing goes to the cloud",
    force_cloud: "Everything goes to the cloud first",
    isolate: |upstream| format!("The cloud account {upstream} is not used"),
    load: |model| format!("The model {model} is loaded"),
    unload: |model| format!("The model {model} is unloaded"),
    told: |what, who, until, why| format!("{what}: ordered by {who} until {until}, because: {why}"),
    standing: "In force now",
    none_stands: "No order is in force. The box decides by itself.",
    ended: "Ended",
    none_ended: "No order has ended yet.",
    order: "Order",
    kind_hint: "Of each kind one may be in force. An answer that is under way ends where it began; a model that is unloaded takes no new ones, and goes within a minute. The status page shows how far one is loaded.",
    reason: "Reason",
    reason_hint: "3 to 200 characters. Staff read it in the band on every page.",
    who: "By",
    given: "Given",
    until: "Until",
    end: "Ended",
    for_how_long: "For",
    length: |minutes| match minutes {
        1..60 => format!("{minutes} minutes"),
        60 => "1 hour".to_owned(),
        _ => format!("{} hours", minutes / 60),
    },
    give: "Give the order",
    lift: "Lift",
    ran_out: |at| format!("ran out at {at}"),
    lifted: |who, at| format!("lifted by {who} at {at}"),
    no_such_kind: "There is no such order. Choose one from the list.",
    bad_reason: "The reason must have 3 to 200 characters on one line.",
    bad_length: "An order lasts 1 minute to 24 hours.",
    stands: |what| format!("This order is in force and excludes the new one: “{what}”. Lift it first."),
    unknown: "That order is no longer in force.",
    at_once: "Another order was given in the same moment. Give this one once more.",
    store_failed: "The order could not be written down, so it is not in force. The log of the box says why.",
};

const SECOND_LOOK: SecondLookText = SecondLookText {
    title: "Second look",
    explanation: "These answers were given by a model inside the building in place of the cloud. Somebody in charge may want to look at them once more. What was asked and answered is not shown here.",
    counts: |open, all| format!("{open} of {all} have not been looked at."),
    shown: |shown| format!("The newest {shown} are shown."),
    none_open: "Nothing is waiting for a second look.",
    none: "No local answer has stood in for the cloud yet.",
    show_all: "Show those looked at, too",
    show_open: "Show only those not looked at",
    when: "When",
    who: "Who",
    by_key: |name| format!("key {name}"),
    alias: "Assistant",
    model: "Model",
    reason: "Why not the cloud",
    size: "Length of the answer",
    chars: |chars| format!("{chars} characters"),
    looked: "Looked at",
    looked_by: |who, at| format!("{who}, {at}"),
    mark: "Looked at",
    mark_label: |at, who| format!("Looked at: the answer of {at} to {who}"),
};

const ERROR: ErrorText = ErrorText {
    bad_request: Refusal {
        title: "That request cannot be read",
        what: "A part of the form is missing or has the wrong shape.",
        still: "Go back, load the page anew and send it again. Your conversations are kept.",
    },
    forbidden: Refusal {
        title: "This is not open to you",
        what: "Your account does not have the right to see this page or do this.",
        still: "You can go on asking. The owner of the box can give you the right.",
    },
    stale_form: Refusal {
        title: "This form is out of date",
        what: "The form did not come from this portal, or you have signed in anew since the page was loaded.",
        still: "Nothing was changed. Go back, load the page anew and send it again.",
    },
    not_found: Refusal {
        title: "There is no such page",
        what: "Nothing is stored at this address, or it belongs to somebody else.",
        still: "Everything else works as before.",
    },
    wrong_method: Refusal {
        title: "This address does not work that way",
        what: "The page was called in a way that it does not know.",
        still: "Begin again from the first page.",
    },
    too_large: Refusal {
        title: "That is too long",
        what: "What you sent is longer than 64 KB.",
        still: "Go back, shorten the text or send it in parts.",
    },
    internal: Refusal {
        title: "The box could not do this",
        what: "Something inside the box failed. It is written in the log of the box.",
        still: "Other pages may still work. Try again in a moment; if it stays so, tell the person in charge.",
    },
    unrecorded: Refusal {
        title: "Nothing may be changed now",
        what: "The box cannot write its audit log, so nobody could prove what was changed. Nothing was changed.",
        still: "The status page says what is wrong with the disk and how to mend it. Then send the form again.",
    },
    back: "To the first page",
};
