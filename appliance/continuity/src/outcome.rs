//! What one request or one probe says of its upstream.

/// The end of a request or a probe, seen from the upstream's side.
///
/// Only [`Outcome::Failure`] counts toward a trip. A throttle, a caller's fault and a cancel are said by, or to, an
/// upstream that works; a rejected key has a count of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A whole answer, recorded when its last byte has come.
    Success,
    Failure(Failure),
    /// 429: the upstream works, and wants less of us.
    Throttled,
    /// 400, 404, 413, 422, a content filter: another upstream would say the same.
    CallerFault,
    /// 401, 402, 403: waiting does not mend it, a person does.
    KeyRejected,
    /// The client went away, or the box itself stopped the request.
    Cancelled,
}

/// How an upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing got through: DNS, refused, reset, TLS.
    Hard,
    /// The way was open and the answer no good: 5xx, silence, a malformed or unfinished answer.
    Soft,
}

impl Outcome {
    /// What an HTTP status alone says. A 2xx is a success only if its body turns out whole, which the caller sees.
    ///
    /// A redirect is a soft failure: no upstream's API redirects, but captive portals do.
    pub fn of_status(status: u16) -> Outcome {
        match status {
            200..=299 => Outcome::Success,
            401..=403 => Outcome::KeyRejected,
            429 => Outcome::Throttled,
            408 => Outcome::Failure(Failure::Soft),
            400..=499 => Outcome::CallerFault,
            _ => Outcome::Failure(Failure::Soft),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whose_fault_it_is() {
        let soft = Outcome::Failure(Failure::Soft);
        let table = [
            (200, Outcome::Success),
            (204, Outcome::Success),
            (302, soft),
            (400, Outcome::CallerFault),
            (401, Outcome::KeyRejected),
            (402, Outcome::KeyRejected),
            (403, Outcome::KeyRejected),
            (404, Outcome::CallerFault),
            (408, soft),
            (413, Outcome::CallerFault),
            (422, Outcome::CallerFault),
            (429, Outcome::Throttled),
            (500, soft),
            (503, soft),
            (529, soft),
        ];
        for (status, expected) in table {
            assert_eq!(Outcome::of_status(status), expected, "status {status}");
        }
    }
}
