//! Every sentence that a person reads, in both languages: one struct, filled once per language, so that the
//! compiler refuses a table with a hole.

mod actor;
mod directory;
mod drill;
mod en;
mod event;
mod keeping;
mod ko;
mod machine;
mod outage;
mod own_account;
mod provider;
mod recording;
mod retention;
mod rights;
mod second_factor;

pub(crate) use actor::ActorText;
pub(crate) use directory::DirectoryText;
pub(crate) use drill::DrillText;
pub(crate) use event::EventText;
pub(crate) use keeping::KeepingText;
pub(crate) use machine::MachineText;
pub(crate) use outage::OutageText;
pub(crate) use recording::RecordingText;
pub(crate) use retention::RetentionText;
pub(crate) use rights::{GlassText, GrantsText, PeopleText, RightsText, WelcomeText, WhyText};

use gateway::FileFacts;
use store::BadPassword;

use crate::language::Language;
pub(crate) use own_account::OwnAccountText;
pub(crate) use provider::ProviderText;
pub(crate) use second_factor::SecondFactorText;

/// All the texts of one language.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) frame: FrameText,
    pub(crate) actor: ActorText,
    pub(crate) band: BandText,
    pub(crate) notice: NoticeText,
    pub(crate) line: LineText,
    pub(crate) chat: ChatText,
    pub(crate) answer: AnswerText,
    pub(crate) status: StatusText,
    pub(crate) account: AccountText,
    pub(crate) own_account: OwnAccountText,
    pub(crate) second_factor: SecondFactorText,
    pub(crate) provider: ProviderText,
    pub(crate) demo: DemoText,
    pub(crate) order: OrderText,
    pub(crate) drill: DrillText,
    pub(crate) outage: OutageText,
    pub(crate) second_look: SecondLookText,
    pub(crate) keeping: KeepingText,
    pub(crate) machine: MachineText,
    pub(crate) directory: DirectoryText,
    pub(crate) recording: RecordingText,
    pub(crate) retention: RetentionText,
    pub(crate) event: EventText,
    pub(crate) rights: RightsText,
    pub(crate) error: ErrorText,
}

impl Text {
    pub(crate) fn of(language: Language) -> &'static Text {
        match language {
            Language::English => &en::TEXT,
            Language::Korean => &ko::TEXT,
        }
    }
}

/// What stands around every page.
#[derive(Debug)]
pub(crate) struct FrameText {
    pub(crate) skip_to_content: &'static str,
    pub(crate) navigation: &'static str,
    pub(crate) chat: &'static str,
    pub(crate) status: &'static str,
    pub(crate) orders: &'static str,
    pub(crate) drills: &'static str,
    pub(crate) outages: &'static str,
    pub(crate) second_look: &'static str,
    pub(crate) people: &'static str,
    pub(crate) rights: &'static str,
    pub(crate) emergency: &'static str,
    pub(crate) sign_out: &'static str,
    pub(crate) language: &'static str,
}

/// One state of the site as staff read it.
#[derive(Debug)]
pub(crate) struct BandWords {
    /// The headline; its argument is the time since when ("14:02").
    pub(crate) title: fn(&str) -> String,
    /// What has changed for staff.
    pub(crate) changed: &'static str,
    /// What they should do.
    pub(crate) todo: &'static str,
}

/// The band's words for each site state.
#[derive(Debug)]
pub(crate) struct BandText {
    pub(crate) label: &'static str,
    pub(crate) connected: BandWords,
    pub(crate) degraded: BandWords,
    pub(crate) offline: BandWords,
    pub(crate) offline_pilot_light: BandWords,
    pub(crate) no_cloud: BandWords,
    pub(crate) unanswerable: BandWords,
    pub(crate) recovering: BandWords,
    pub(crate) forced_local: BandWords,
    pub(crate) forced_cloud: BandWords,
    pub(crate) drill: BandWords,
}

/// Announcements. Times are clock times such as "14:02".
#[derive(Debug)]
pub(crate) struct NoticeText {
    /// Since when.
    pub(crate) outage_began: fn(&str) -> String,
    /// Out from, back since.
    pub(crate) cloud_back: fn(&str, &str) -> String,
    /// One sentence for each step of the ladder of scarcity, from the first.
    pub(crate) brown_out: [fn(&str) -> String; 5],
    pub(crate) brown_out_over: fn(&str) -> String,
    pub(crate) drill_began: fn(&str) -> String,
    pub(crate) drill_passed: fn(&str) -> String,
    pub(crate) drill_failed: fn(&str) -> String,
    /// Until when the order holds.
    pub(crate) forced_local: fn(&str) -> String,
    pub(crate) forced_cloud: fn(&str) -> String,
    /// The upstream; until when, or since when.
    pub(crate) isolated: fn(&str, &str) -> String,
    pub(crate) isolation_over: fn(&str, &str) -> String,
    /// The local model, until when.
    pub(crate) loaded: fn(&str, &str) -> String,
    pub(crate) unloaded: fn(&str, &str) -> String,
    /// The local model, when.
    pub(crate) model_order_over: fn(&str, &str) -> String,
    pub(crate) order_over: fn(&str) -> String,
    pub(crate) glass_broken: fn(&str) -> String,
}

/// The dashboard line: which route carries the requests now.
#[derive(Debug)]
pub(crate) struct LineText {
    pub(crate) label: &'static str,
    pub(crate) requests: &'static str,
    pub(crate) cloud: &'static str,
    pub(crate) local: &'static str,
    pub(crate) carries: &'static str,
    pub(crate) carries_part: &'static str,
    pub(crate) stands_by: &'static str,
    pub(crate) out: &'static str,
    pub(crate) not_set_up: &'static str,
    pub(crate) not_ready: &'static str,
}

/// The chat page.
#[derive(Debug)]
pub(crate) struct ChatText {
    pub(crate) title: &'static str,
    pub(crate) new_conversation: &'static str,
    pub(crate) conversations: &'static str,
    pub(crate) no_conversations: &'static str,
    pub(crate) empty_title: &'static str,
    pub(crate) empty_hint: &'static str,
    pub(crate) your_question: &'static str,
    pub(crate) placeholder: &'static str,
    pub(crate) assistant: &'static str,
    pub(crate) no_assistant: &'static str,
    pub(crate) send: &'static str,
    pub(crate) stop: &'static str,
    pub(crate) keys: &'static str,
    pub(crate) you: &'static str,
    pub(crate) answer: &'static str,
    pub(crate) working: &'static str,
    /// Place in the queue, seconds until it is served.
    pub(crate) waiting: fn(u32, u32) -> String,
    pub(crate) complete: &'static str,
    pub(crate) lost: &'static str,
    pub(crate) ask_again: &'static str,
    pub(crate) print: &'static str,
    pub(crate) print_notice: &'static str,
    pub(crate) careful: &'static str,
    pub(crate) empty_question: &'static str,
    pub(crate) long_question: &'static str,
    /// Why nothing answered, by what kind of refusal it was.
    pub(crate) refused_too_long: &'static str,
    pub(crate) refused_often: &'static str,
    pub(crate) refused_busy: &'static str,
    pub(crate) refused_unknown_assistant: &'static str,
    pub(crate) refused_restricted: &'static str,
    pub(crate) refused_unready: &'static str,
    pub(crate) refused_lacks: &'static str,
    pub(crate) refused_filter: &'static str,
    pub(crate) refused_otherwise: &'static str,
}

/// Who made an answer, and how it ended.
#[derive(Debug)]
pub(crate) struct AnswerText {
    /// Model, upstream.
    pub(crate) by_cloud: fn(&str, &str) -> String,
    /// Model.
    pub(crate) by_local: fn(&str) -> String,
    /// Model.
    pub(crate) by_pilot_light: fn(&str) -> String,
    pub(crate) by_nobody: &'static str,
    /// The model that began an answer which another one finished.
    pub(crate) begun_by: fn(&str) -> String,
    pub(crate) finished_by_cloud: fn(&str, &str) -> String,
    pub(crate) finished_by_local: fn(&str) -> String,
    pub(crate) finished_by_pilot_light: fn(&str) -> String,
    /// Since when the cloud has been out.
    pub(crate) cloud_out_since: fn(&str) -> String,
    /// The same in hindsight.
    pub(crate) cloud_was_out_from: fn(&str) -> String,
    pub(crate) cloud_out: &'static str,
    pub(crate) cloud_slow: &'static str,
    pub(crate) cloud_too_short: &'static str,
    pub(crate) cloud_lacks: &'static str,
    pub(crate) brown_out: &'static str,
    pub(crate) other_standby: &'static str,
    /// How many of the oldest messages the model was not shown.
    pub(crate) shortened: fn(usize) -> String,
    pub(crate) cloud_recovering: &'static str,
    pub(crate) cloud_throttled: &'static str,
    pub(crate) kept_inside: &'static str,
    pub(crate) warm_share: &'static str,
    pub(crate) begun_inside: &'static str,
    pub(crate) by_order: &'static str,
    pub(crate) in_a_drill: &'static str,
    pub(crate) cloud_quota: &'static str,
    pub(crate) other_cloud: &'static str,
    pub(crate) no_cloud: &'static str,
    /// The model that broke off, and the model that went on.
    pub(crate) seam_local: fn(&str, &str) -> String,
    pub(crate) seam_cloud: fn(&str, &str) -> String,
    pub(crate) pending: &'static str,
    pub(crate) cut: &'static str,
    pub(crate) failed: &'static str,
    pub(crate) not_reviewed: &'static str,
}

/// The status page.
#[derive(Debug)]
pub(crate) struct StatusText {
    pub(crate) title: &'static str,
    pub(crate) upstreams: &'static str,
    pub(crate) no_upstreams: &'static str,
    pub(crate) name: &'static str,
    pub(crate) breaker: &'static str,
    pub(crate) finding: &'static str,
    pub(crate) share: &'static str,
    pub(crate) last_probe: &'static str,
    pub(crate) evidence: &'static str,
    pub(crate) demo: &'static str,
    pub(crate) breaker_closed: &'static str,
    pub(crate) breaker_open: &'static str,
    pub(crate) breaker_half_open: &'static str,
    pub(crate) nothing_wrong: &'static str,
    pub(crate) never: &'static str,
    pub(crate) locals: &'static str,
    pub(crate) no_locals: &'static str,
    pub(crate) state: &'static str,
    pub(crate) proof: &'static str,
    pub(crate) device: &'static str,
    pub(crate) in_flight: &'static str,
    pub(crate) starting: &'static str,
    pub(crate) loading: fn(u8) -> String,
    pub(crate) ready: &'static str,
    pub(crate) failed: &'static str,
    pub(crate) unloading: &'static str,
    pub(crate) unloaded: &'static str,
    /// Age in seconds of the last token that the model really generated.
    pub(crate) proven: fn(u64) -> String,
    pub(crate) unproven: &'static str,
    /// The model that is not proven, and what to do about it.
    pub(crate) alarm_not_loaded: fn(&str) -> String,
    pub(crate) alarm_failed: fn(&str) -> String,
    pub(crate) alarm_unproven: fn(&str) -> String,
    pub(crate) model_facts: fn(&FileFacts) -> String,
    /// What a model that does not answer in words is for; the age of its last vector or score.
    pub(crate) is_embedding: &'static str,
    pub(crate) is_rerank: &'static str,
    pub(crate) worked: fn(u64) -> String,
    pub(crate) idle: &'static str,
    pub(crate) alarm_vectors: fn(&str) -> String,
    pub(crate) alarm_unconfined: fn(&str) -> String,
    /// The alias none of whose models is proven.
    pub(crate) alarm_alias: fn(&str) -> String,
    pub(crate) aliases: &'static str,
    pub(crate) cloud_routes: &'static str,
    pub(crate) standby: &'static str,
    pub(crate) none: &'static str,
    pub(crate) outages: &'static str,
    pub(crate) no_outages: &'static str,
    pub(crate) began: &'static str,
    pub(crate) ended: &'static str,
    pub(crate) still_running: &'static str,
    pub(crate) cause: &'static str,
    pub(crate) served_local: &'static str,
    pub(crate) announcements: &'static str,
    pub(crate) no_announcements: &'static str,
    pub(crate) events: &'static str,
    pub(crate) no_events: &'static str,
    pub(crate) state_connected: &'static str,
    pub(crate) state_degraded: &'static str,
    pub(crate) state_offline: &'static str,
    pub(crate) state_recovering: &'static str,
    pub(crate) state_forced_local: &'static str,
    pub(crate) state_forced_cloud: &'static str,
    pub(crate) state_drill: &'static str,
    /// The state before, the state after.
    pub(crate) event_site_state: fn(&str, &str) -> String,
    /// The upstream.
    pub(crate) event_breaker_open: fn(&str) -> String,
    pub(crate) event_breaker_closed: fn(&str) -> String,
    pub(crate) event_outage_began: &'static str,
    pub(crate) event_outage_ended: &'static str,
    /// The step of the ladder.
    pub(crate) event_brown_out: fn(u64) -> String,
    pub(crate) event_brown_out_over: &'static str,
    /// Who did it.
    pub(crate) event_setup_finished: fn(&str) -> String,
    pub(crate) event_sign_in: fn(&str) -> String,
    pub(crate) event_sign_out: fn(&str) -> String,
    pub(crate) event_demo_cut: fn(&str) -> String,
    pub(crate) event_demo_restored: fn(&str) -> String,
    pub(crate) event_second_look_marked: fn(&str) -> String,
    pub(crate) event_sign_in_refused: &'static str,
    pub(crate) event_key_refused: &'static str,
    pub(crate) event_access_refused: fn(&str) -> String,
    /// By whom, whose.
    pub(crate) event_sessions_ended: fn(&str, &str) -> String,
    /// The account that strangers guess at, if there is one of that name.
    pub(crate) event_guessing: fn(Option<&str>) -> String,
    /// Who did it.
    pub(crate) event_password_changed: fn(&str) -> String,
    pub(crate) event_session_ended: fn(&str) -> String,
    pub(crate) event_second_factor_set_up: fn(&str) -> String,
    pub(crate) event_second_factor_removed: fn(&str) -> String,
    /// The account.
    pub(crate) event_second_factor_reset: fn(&str) -> String,
    pub(crate) event_recovery_codes_renewed: fn(&str) -> String,
    pub(crate) event_second_step_refused: &'static str,
    /// The name of the key.
    pub(crate) event_key_created: fn(&str) -> String,
    pub(crate) event_key_revoked: fn(&str) -> String,
    /// Who, and the model's name.
    pub(crate) event_model_imported: fn(&str, &str) -> String,
    pub(crate) event_model_removed: fn(&str, &str) -> String,
    pub(crate) event_model_accepted: fn(&str, &str) -> String,
    pub(crate) event_model_first_seen: fn(&str) -> String,
    pub(crate) event_setup_code_made: &'static str,
    pub(crate) event_drill_began: fn(&str) -> String,
    pub(crate) event_drill_of_the_schedule: &'static str,
    pub(crate) event_drill_passed: &'static str,
    pub(crate) event_drill_not_passed: &'static str,
    /// Who did it; the kind of the order.
    pub(crate) event_order_given: fn(&str, &str) -> String,
    pub(crate) event_order_lifted: fn(&str, &str) -> String,
    pub(crate) event_order_expired: fn(&str) -> String,
    pub(crate) when: &'static str,
    pub(crate) what: &'static str,
    pub(crate) updated: fn(&str) -> String,
    pub(crate) running_since: fn(&str) -> String,
    pub(crate) reading_failed: &'static str,
}

/// Setup and sign-in.
#[derive(Debug)]
pub(crate) struct AccountText {
    pub(crate) setup_title: &'static str,
    pub(crate) setup_intro: &'static str,
    pub(crate) setup_code: &'static str,
    pub(crate) setup_code_hint: &'static str,
    pub(crate) name: &'static str,
    pub(crate) name_hint: &'static str,
    pub(crate) password: &'static str,
    pub(crate) password_hint: &'static str,
    pub(crate) password_again: &'static str,
    pub(crate) make_account: &'static str,
    pub(crate) sign_in_title: &'static str,
    pub(crate) sign_in: &'static str,
    pub(crate) wrong_code: &'static str,
    pub(crate) too_many_tries: &'static str,
    pub(crate) passwords_differ: &'static str,
    pub(crate) weak_password: &'static str,
    pub(crate) guessable_password: &'static str,
    pub(crate) bad_name: &'static str,
    pub(crate) wrong_password: &'static str,
    pub(crate) signed_out: &'static str,
    pub(crate) code_expired: &'static str,
    pub(crate) store_failed: &'static str,
    pub(crate) session_over: &'static str,
}

impl AccountText {
    /// Why a new password is not taken.
    pub(crate) fn bad_password(&self, bad: BadPassword) -> &'static str {
        match bad {
            BadPassword::TooShort | BadPassword::TooLong => self.weak_password,
            BadPassword::Guessable => self.guessable_password,
        }
    }
}

/// The card of the evaluation set-up.
#[derive(Debug)]
pub(crate) struct DemoText {
    pub(crate) title: &'static str,
    pub(crate) explanation: &'static str,
    pub(crate) is_up: &'static str,
    pub(crate) is_cut: &'static str,
    pub(crate) cut: &'static str,
    pub(crate) restore: &'static str,
    pub(crate) after_cut: &'static str,
    pub(crate) after_restore: &'static str,
    pub(crate) failed: &'static str,
}

/// The page of orders, and what staff read of one.
#[derive(Debug)]
pub(crate) struct OrderText {
    pub(crate) title: &'static str,
    pub(crate) explanation: &'static str,
    pub(crate) force_local: &'static str,
    pub(crate) force_cloud: &'static str,
    /// The upstream.
    pub(crate) isolate: fn(&str) -> String,
    /// The local model.
    pub(crate) load: fn(&str) -> String,
    pub(crate) unload: fn(&str) -> String,
    /// What, who, until when, why.
    pub(crate) told: fn(&str, &str, &str, &str) -> String,
    pub(crate) standing: &'static str,
    pub(crate) none_stands: &'static str,
    pub(crate) ended: &'static str,
    pub(crate) none_ended: &'static str,
    pub(crate) order: &'static str,
    pub(crate) kind_hint: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) reason_hint: &'static str,
    pub(crate) who: &'static str,
    pub(crate) given: &'static str,
    pub(crate) until: &'static str,
    pub(crate) end: &'static str,
    pub(crate) for_how_long: &'static str,
    /// Minutes.
    pub(crate) length: fn(u64) -> String,
    pub(crate) give: &'static str,
    pub(crate) lift: &'static str,
    /// When.
    pub(crate) ran_out: fn(&str) -> String,
    /// Who, when.
    pub(crate) lifted: fn(&str, &str) -> String,
    pub(crate) no_such_kind: &'static str,
    pub(crate) bad_reason: &'static str,
    pub(crate) bad_length: &'static str,
    /// What stands.
    pub(crate) stands: fn(&str) -> String,
    pub(crate) unknown: &'static str,
    pub(crate) at_once: &'static str,
    pub(crate) store_failed: &'static str,
}

/// The lanes of requests.
#[derive(Debug)]
pub(crate) struct LaneText {
    pub(crate) clinical: &'static str,
    pub(crate) interactive: &'static str,
    pub(crate) batch: &'static str,
}

impl LaneText {
    pub(crate) fn of<'a>(&'a self, word: &'a str) -> &'a str {
        match word {
            "clinical" => self.clinical,
            "interactive" => self.interactive,
            "batch" => self.batch,
            other => other,
        }
    }
}

/// The page of answers that a person looks at once more.
#[derive(Debug)]
pub(crate) struct SecondLookText {
    pub(crate) title: &'static str,
    pub(crate) explanation: &'static str,
    /// Open ones, of how many.
    pub(crate) counts: fn(u64, u64) -> String,
    /// How many of the newest are shown.
    pub(crate) shown: fn(usize) -> String,
    pub(crate) none_open: &'static str,
    pub(crate) none: &'static str,
    pub(crate) show_all: &'static str,
    pub(crate) show_open: &'static str,
    pub(crate) when: &'static str,
    pub(crate) who: &'static str,
    /// The name of the key.
    pub(crate) by_key: fn(&str) -> String,
    pub(crate) alias: &'static str,
    pub(crate) model: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) size: &'static str,
    pub(crate) chars: fn(u64) -> String,
    pub(crate) looked: &'static str,
    /// Who, when.
    pub(crate) looked_by: fn(&str, &str) -> String,
    pub(crate) mark: &'static str,
    /// What a reader of the screen hears of the button: when, who.
    pub(crate) mark_label: fn(&str, &str) -> String,
}

/// One refusal: a headline, what is wrong, and what still works.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) title: &'static str,
    pub(crate) what: &'static str,
    pub(crate) still: &'static str,
}

/// The error pages.
#[derive(Debug)]
pub(crate) struct ErrorText {
    pub(crate) bad_request: Refusal,
    pub(crate) forbidden: Refusal,
    pub(crate) stale_form: Refusal,
    pub(crate) not_found: Refusal,
    pub(crate) wrong_method: Refusal,
    pub(crate) too_large: Refusal,
    pub(crate) internal: Refusal,
    pub(crate) unrecorded: Refusal,
    pub(crate) back: &'static str,
}
