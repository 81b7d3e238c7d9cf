//! The moods of the fake cloud, and the verbs that change them.

use std::time::Duration;

use super::FakeCloud;
use super::line::Door;

/// How the fake cloud behaves towards requests.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// The listener is closed.
    Refusing,
    Silent,
    Resetting,
    Failing,
    CuttingStreams {
        after: usize,
    },
    Throttling {
        retry_after: Duration,
    },
    RejectingKey,
    SlowFirstToken(Duration),
    Html,
    /// Streams end properly after so many words, with neither a finish reason nor `[DONE]`.
    EndingEarly {
        after: usize,
    },
    /// Streams report an error inside after so many words.
    ErringInside {
        after: usize,
    },
    /// Streams give their finish reason and then nothing more, for ever.
    NeverDone,
    /// Each word of a stream is followed by an event that is no JSON.
    Garbling,
    /// A 400 with this code.
    Refusing400(&'static str),
    /// A status and a code in answer to every chat; the model list is well.
    Status(u16, &'static str),
    /// The model is neither listed nor found.
    Withdrawn,
    /// Everything leads to a page where one signs in.
    Redirecting,
}

impl FakeCloud {
    /// Closes the listener and resets all connections: clients are refused from here on.
    pub fn refuse(&self) {
        self.shared.mood.send_replace(Mood::Refusing);
        self.door(Door::close);
        self.shared.cut_all();
    }

    /// Accepts connections and requests, and never answers; running streams stall.
    pub fn go_silent(&self) {
        self.change(Mood::Silent);
    }

    /// Resets each connection on its next request, before any header.
    pub fn reset(&self) {
        self.change(Mood::Resetting);
    }

    /// Answers every request with 500.
    pub fn answer_500(&self) {
        self.change(Mood::Failing);
    }

    /// Resets running and new streams after `after` pieces of text. Whole answers are reset too.
    pub fn cut_streams(&self, after: usize) {
        self.change(Mood::CuttingStreams { after });
    }

    /// Answers 429 with a `retry-after` header, in whole seconds.
    pub fn throttle(&self, retry_after: Duration) {
        self.change(Mood::Throttling { retry_after });
    }

    /// Answers 401 to the right key too.
    pub fn reject_key(&self) {
        self.change(Mood::RejectingKey);
    }

    /// Waits before the first token; comments and an empty chunk come at once, as from a cloud that queues.
    pub fn slow_first_token(&self, wait: Duration) {
        self.change(Mood::SlowFirstToken(wait));
    }

    /// Answers everything with a page, as a captive portal does.
    pub fn speak_html(&self) {
        self.change(Mood::Html);
    }

    /// Ends streams as if they were whole after `after` pieces of text, without saying that they are.
    pub fn end_early(&self, after: usize) {
        self.change(Mood::EndingEarly { after });
    }

    /// Reports an error inside the stream after `after` pieces of text.
    pub fn err_inside(&self, after: usize) {
        self.change(Mood::ErringInside { after });
    }

    /// Gives the finish reason and then neither `[DONE]` nor the end of the stream.
    pub fn never_be_done(&self) {
        self.change(Mood::NeverDone);
    }

    /// Puts an event that is no JSON after each piece of text.
    pub fn garble(&self) {
        self.change(Mood::Garbling);
    }

    /// Refuses every chat as the caller's fault, with 400 and this code.
    pub fn answer_400(&self, code: &'static str) {
        self.change(Mood::Refusing400(code));
    }

    /// Answers every chat with this status and code; the model list is well.
    pub fn answer_status(&self, status: u16, code: &'static str) {
        self.change(Mood::Status(status, code));
    }

    /// Says that the account's money is used up, as OpenAI does: 429 with a code of its own.
    pub fn exhaust_quota(&self) {
        self.answer_status(429, "insufficient_quota");
    }

    /// Offers its model no longer: it is neither listed nor found.
    pub fn withdraw_model(&self) {
        self.change(Mood::Withdrawn);
    }

    /// Answers everything with 302 to a page where one signs in.
    pub fn redirect(&self) {
        self.change(Mood::Redirecting);
    }

    /// Resets all connections and goes on as before.
    pub fn hang_up(&self) {
        self.shared.cut_all();
    }

    /// Back to well. Requests that hang in silence are reset.
    pub fn restore(&self) {
        self.change(Mood::Well);
    }

    /// Changes the mood and makes the line agree with it.
    fn change(&self, mood: Mood) {
        match self.shared.mood.send_replace(mood) {
            Mood::Refusing => self.door(Door::open),
            Mood::Silent => self.shared.cut_all(),
            _ => {}
        }
    }

    /// Sends an order to the listener's task and waits until it is done.
    fn door(&self, order: fn(std::sync::mpsc::Sender<()>) -> Door) {
        let (done, wait) = std::sync::mpsc::channel();
        self.doors.send(order(done)).expect("the fake cloud runs");
        wait.recv_timeout(Duration::from_secs(10)).expect("the fake cloud's listener obeys");
    }
}
