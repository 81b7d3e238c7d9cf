//! What NVML says of one GPU, and what of it must be looked at by a person. Pure.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// One GPU at one moment. What its driver does not tell is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct GpuReading {
    pub index: u32,
    pub name: String,
    /// It has fallen off the bus: nothing else is known of it.
    pub is_lost: bool,
    pub memory_total_bytes: Option<u64>,
    pub memory_used_bytes: Option<u64>,
    /// Share of the last moment in which it computed.
    pub load_percent: Option<u32>,
    pub temperature_c: Option<u32>,
    /// From here on it slows itself down.
    pub slowdown_c: Option<u32>,
    pub power_mw: Option<u32>,
    pub power_limit_mw: Option<u32>,
    /// It runs slower than it could, for heat or for want of power.
    pub is_slowed: bool,
    /// Errors of its memory since the driver was loaded; none where the memory has no ECC.
    pub ecc_corrected: Option<u64>,
    pub ecc_uncorrected: Option<u64>,
    /// Errors that the driver has reported since the box runs, and the newest.
    pub xids: u64,
    #[serde(skip)]
    pub last_xid: Option<Xid>,
    /// Process ids, with the bytes that each has on it.
    #[serde(skip)]
    pub processes: Vec<(u32, u64)>,
}

/// An error that the driver has reported, by NVIDIA's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xid {
    pub number: u64,
    pub at: Instant,
}

/// Where a driver does not say when it slows down.
const USUAL_SLOWDOWN_C: u32 = 90;

/// An Xid is told for a day.
const TOLD_FOR: Duration = Duration::from_secs(24 * 3600);

/// Xids that say something of a program, such as that it was killed, and nothing of the GPU.
const OF_PROGRAMS: [u64; 6] = [13, 31, 43, 45, 68, 109];

/// Why a person should look at a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Worry {
    Lost,
    /// At or above its limit, in degrees Celsius.
    Hot {
        is_c: u32,
        limit_c: u32,
    },
    Slowed,
    /// Errors of its memory that could not be corrected: answers may have been wrong.
    MemoryErrors(u64),
    Xid(u64),
}

impl GpuReading {
    /// The worst first.
    pub fn worries(&self) -> Vec<Worry> {
        if self.is_lost {
            return vec![Worry::Lost];
        }
        let errors = self.ecc_uncorrected.filter(|errors| *errors > 0).map(Worry::MemoryErrors);
        let xid = self.last_xid.filter(|xid| xid.at.elapsed() <= TOLD_FOR).map(|xid| xid.number);
        let xid = xid.filter(|number| !OF_PROGRAMS.contains(number)).map(Worry::Xid);
        let limit_c = self.slowdown_c.unwrap_or(USUAL_SLOWDOWN_C);
        let hot = self.temperature_c.filter(|is_c| *is_c >= limit_c);
        let hot = hot.map(|is_c| Worry::Hot { is_c, limit_c });
        let slowed = (self.is_slowed && hot.is_none()).then_some(Worry::Slowed);
        [errors, xid, hot, slowed].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> GpuReading {
        GpuReading {
            name: "GPU".into(),
            temperature_c: Some(60),
            slowdown_c: Some(87),
            ecc_corrected: Some(3),
            ecc_uncorrected: Some(0),
            ..GpuReading::default()
        }
    }

    #[test]
    fn a_gpu_that_is_well_worries_nobody() {
        assert_eq!(well().worries(), []);
        assert_eq!(GpuReading::default().worries(), [], "what is not known is no worry");
    }

    #[test]
    fn heat_is_told_from_the_gpus_own_limit_on_or_from_the_usual_one() {
        let at = |temperature_c, slowdown_c| {
            GpuReading { temperature_c: Some(temperature_c), slowdown_c, ..well() }.worries()
        };
        assert_eq!(at(86, Some(87)), []);
        assert_eq!(at(87, Some(87)), [Worry::Hot { is_c: 87, limit_c: 87 }]);
        assert_eq!(at(89, None), []);
        assert_eq!(at(90, None), [Worry::Hot { is_c: 90, limit_c: 90 }]);
        let both = GpuReading { temperature_c: Some(95), is_slowed: true, ..well() };
        assert_eq!(both.worries(), [Worry::Hot { is_c: 95, limit_c: 87 }], "heat says why it is slow");
        assert_eq!(GpuReading { is_slowed: true, ..well() }.worries(), [Worry::Slowed]);
    }

    #[test]
    fn errors_of_memory_are_told_when_they_could_not_be_corrected() {
        let bad = GpuReading { ecc_uncorrected: Some(2), is_slowed: true, ..well() };
        assert_eq!(bad.worries(), [Worry::MemoryErrors(2), Worry::Slowed]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_xid_is_told_for_a_day_unless_it_speaks_of_a_program() {
        let at = Instant::now();
        let with = |number| GpuReading { last_xid: Some(Xid { number, at }), ..well() }.worries();
        assert_eq!(with(79), [Worry::Xid(79)]);
        assert_eq!(with(45), [], "a worker was killed");
        tokio::time::advance(TOLD_FOR).await;
        assert_eq!(with(79), [Worry::Xid(79)]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(with(79), []);
    }

    #[test]
    fn of_a_lost_gpu_nothing_else_is_told() {
        let lost = GpuReading { is_lost: true, ecc_uncorrected: Some(2), ..well() };
        assert_eq!(lost.worries(), [Worry::Lost]);
    }
}
