//! Which base image is the newest that may take the place of a pinned one.

use std::cmp::Ordering;

use super::os_list::{FileName, Offer};
use crate::failure::{Class, Failure};

/// What the list has for a pin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Newest<'a> {
    /// The pinned one.
    Same,
    /// A newer one.
    Newer(&'a Offer),
}

/// The newest image of the pinned one's family and Debian release. `sha256` is the pinned digest, where there is one.
///
/// # Errors
/// There is none; the newest is older than the pinned one; or the pinned one was published again with other bytes.
pub(super) fn newest<'a>(
    pinned: &FileName,
    url: &str,
    sha256: Option<&str>,
    offers: &'a [Offer],
) -> Result<Newest<'a>, Failure> {
    let family = offers.iter().filter(|offer| offer.file.family == pinned.family);
    let found = family.clone().filter(|offer| offer.file.suite == pinned.suite);
    let Some(newest) = found.max_by(|a, b| a.file.date.cmp(&b.file.date)) else {
        let suites: Vec<&str> = family.map(|offer| offer.file.suite.as_str()).collect();
        let failure = Failure::new(
            Class::Trust,
            format!("the list of images has none that follows `{url}` on Debian {}", pinned.suite),
        );
        return Err(match suites.as_slice() {
            [] => failure.hint("`--os-list URL` reads another list"),
            suites => failure.hint(format!(
                "it has those of {}: another Debian release needs other package sources, so it is not taken by itself",
                suites.join(", ")
            )),
        });
    };
    let (new, old) = (&newest.file.date, &pinned.date);
    match new.cmp(old) {
        Ordering::Less => {
            let message =
                format!("the newest image of the list is older than the pinned one: {new}, not {old}");
            Err(Failure::new(Class::Trust, message)
                .hint("a list that goes back in time may be a replayed one"))
        }
        Ordering::Equal if sha256.is_some_and(|pinned| pinned != newest.sha256) => {
            let (expected, got) = (sha256.unwrap_or_default(), &newest.sha256);
            let message = format!(
                "the image of {old} was published again with other bytes: expected sha256 {expected}, the list says {got}"
            );
            Err(Failure::new(Class::Trust, message).hint("ask the publisher before you take the new one"))
        }
        Ordering::Equal => Ok(Newest::Same),
        Ordering::Greater => Ok(Newest::Newer(newest)),
    }
}

#[cfg(test)]
mod tests {
    use super::{FileName, Newest, Offer, newest};

    fn offer(date: &str, suite: &str, flavour: &str) -> Offer {
        let url = format!("https://x/{date}-raspios-{suite}-{flavour}.img.xz");
        let file = FileName::of(&url).expect("a name");
        Offer { name: "x".into(), file, url, sha256: "ab".repeat(32), raw_sha256: "cd".repeat(32) }
    }

    #[test]
    fn the_newest_of_its_kind() {
        let pinned = offer("2025-12-04", "trixie", "arm64-lite");
        let find = |offers: &[Offer], sha256: Option<&str>| match newest(
            &pinned.file,
            &pinned.url,
            sha256,
            offers,
        ) {
            Ok(Newest::Same) => "same".to_owned(),
            Ok(Newest::Newer(offer)) => offer.file.date.clone(),
            Err(error) => error.messages().join(": "),
        };
        let mut offers = vec![
            offer("2026-04-13", "trixie", "arm64-lite"),
            offer("2026-06-18", "trixie", "arm64-lite"),
            offer("2026-09-01", "trixie", "arm64-full"),
            offer("2026-09-01", "bookworm", "arm64-lite"),
        ];
        assert_eq!(find(&offers, None), "2026-06-18");
        offers.drain(..2);
        let error = find(&offers, None);
        assert!(error.contains("on Debian trixie"), "{error}");
        assert_eq!(find(std::slice::from_ref(&pinned), Some(&"ab".repeat(32))), "same");
        let error = find(std::slice::from_ref(&pinned), Some(&"00".repeat(32)));
        assert!(error.contains("published again"), "{error}");
        let error = find(&[offer("2025-05-01", "trixie", "arm64-lite")], None);
        assert!(error.contains("older than the pinned one: 2025-05-01, not 2025-12-04"), "{error}");
    }
}
