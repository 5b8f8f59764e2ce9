//! At which moments the power is cut: drawn from a seed, so that a run that went wrong can be had again.
//!
//! A moment is a step and a delay, not a time since the machine was switched on: how fast an emulated machine is
//! depends on what else its host does, and a node that is cut again before its steps begin would never get further.

use std::collections::BTreeSet;
use std::time::Duration;

/// The longest delay behind the beginning of a step; half of all are shorter than an eighth of it.
const LONGEST_DELAY: Duration = Duration::from_secs(160);

/// When the power is cut once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The step that must have begun, or the machine's start.
    pub after: Option<String>,
    /// How long the machine works on from there.
    pub delay: Duration,
}

/// `count` moments over the steps of a first boot, in their order. The same seed gives the same moments.
pub fn schedule(count: usize, steps: &[String], seed: u64) -> Vec<Cut> {
    let mut random = SplitMix(seed);
    // the start of the machine is a place like a step; each cut gets its own stretch of the list
    let places = steps.len() + 1;
    let mut cuts: Vec<(usize, Cut)> = (0..count)
        .map(|index| {
            let position = (index as f64 + random.fraction()) * places as f64 / count as f64;
            let place = (position as usize).min(places - 1);
            let after = place.checked_sub(1).and_then(|step| steps.get(step)).cloned();
            (place, Cut { after, delay: LONGEST_DELAY.mul_f64(random.fraction().powi(3)) })
        })
        .collect();
    cuts.sort_by_key(|(place, _)| *place);
    cuts.into_iter().map(|(_, cut)| cut).collect()
}

/// What is left to do of a schedule, and whether the time for the next cut has come. Times are since any fixed moment.
#[derive(Debug)]
pub struct CutWatch {
    cuts: std::vec::IntoIter<Cut>,
    next: Option<Cut>,
    armed: Option<Duration>,
    begun: BTreeSet<String>,
}

impl CutWatch {
    /// Watches a machine that is switched on at `now`.
    pub fn new(cuts: Vec<Cut>, now: Duration) -> Self {
        let mut cuts = cuts.into_iter();
        let next = cuts.next();
        let mut watch = Self { cuts, next, armed: None, begun: BTreeSet::new() };
        watch.arm(now);
        watch
    }

    /// Whether there are cuts to come.
    pub fn is_pending(&self) -> bool {
        self.next.is_some()
    }

    /// A step has begun, or is further.
    pub fn step_begun(&mut self, name: &str, now: Duration) {
        self.begun.insert(name.to_owned());
        self.arm(now);
    }

    /// The moment of the next cut, once it is known.
    pub fn due(&self) -> Option<Duration> {
        self.armed
    }

    /// The power was cut and is back at `now`: the cut after which, and how long, is returned.
    pub fn done(&mut self, now: Duration) -> Option<Cut> {
        let done = self.next.take();
        self.next = self.cuts.next();
        self.armed = None;
        self.arm(now);
        done
    }

    fn arm(&mut self, now: Duration) {
        let Some(next) = &self.next else { return };
        let has_begun = next.after.as_ref().is_none_or(|step| self.begun.contains(step));
        if self.armed.is_none() && has_begun {
            self.armed = Some(now + next.delay);
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014): small, and the same
/// for ever.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1, 1 left out.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Cut, CutWatch, LONGEST_DELAY, SplitMix, schedule};

    fn steps() -> Vec<String> {
        ["selfcheck", "grow-root", "packages", "zpool", "cluster"].map(str::to_owned).to_vec()
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // the first outputs of the reference implementation for the seed 1234567
        let mut random = SplitMix(1_234_567);
        assert_eq!([random.next(), random.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn a_seed_gives_the_same_moments_and_they_cover_the_boot() {
        let cuts = schedule(20, &steps(), 7);
        assert_eq!(cuts, schedule(20, &steps(), 7));
        assert_ne!(cuts, schedule(20, &steps(), 8));
        assert_eq!(cuts.len(), 20);
        assert!(cuts.iter().all(|cut| cut.delay < LONGEST_DELAY));
        assert_eq!(cuts[0].after, None, "the start of the machine is cut too");
        for step in steps() {
            assert!(cuts.iter().any(|cut| cut.after.as_ref() == Some(&step)), "{step}");
        }
        assert_eq!(schedule(0, &steps(), 7), []);
        assert!(schedule(3, &[], 7).iter().all(|cut| cut.after.is_none()));
    }

    #[test]
    fn a_cut_waits_for_its_step_and_then_for_its_delay() {
        let second = Duration::from_secs;
        let cut = |after: Option<&str>, delay| Cut { after: after.map(str::to_owned), delay: second(delay) };
        let mut watch =
            CutWatch::new(vec![cut(None, 5), cut(Some("zpool"), 3), cut(Some("zpool"), 1)], second(100));
        assert_eq!(watch.due(), Some(second(105)));
        assert_eq!(watch.done(second(106)), Some(cut(None, 5)));
        assert_eq!(watch.due(), None);
        watch.step_begun("packages", second(120));
        assert_eq!(watch.due(), None);
        watch.step_begun("zpool", second(130));
        watch.step_begun("zpool", second(132));
        assert_eq!(watch.due(), Some(second(133)), "from the first time that it was seen");
        watch.done(second(134));
        assert_eq!(watch.due(), Some(second(135)), "that step has begun already");
        watch.done(second(136));
        assert!(!watch.is_pending() && watch.due().is_none());
    }
}
