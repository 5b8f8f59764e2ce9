//! `pimg diff`
//!
//! Two images, or an image and its base. Nothing that only its owner may read is shown, neither its content nor its
//! length: that it differs is all there is to say.

mod boot;
mod files;
mod identity;
mod packages;
mod units;

use super::Context;
use super::inspect;
use super::outcome::DiffOutcome;
use super::request::DiffRequest;
use crate::failure::Failure;
use crate::plan::change::Partition;

/// Compares two images: identity, units, packages and every file.
///
/// # Errors
/// One of them cannot be read. That they differ is no error.
pub fn run(request: &DiffRequest, context: &Context<'_>) -> Result<DiffOutcome, Failure> {
    let (a, b) = (inspect::open(&request.a, context)?, inspect::open(&request.b, context)?);
    let (a, b) = (&a.image, &b.image);
    let mut files = boot::compare(a, b, context)?;
    files.extend(files::compare(a, b, context)?);
    files.sort_by(|a, b| {
        (a.partition == Partition::Root, &a.path).cmp(&(b.partition == Partition::Root, &b.path))
    });
    Ok(DiffOutcome {
        a: request.a.clone(),
        b: request.b.clone(),
        identity: identity::compare(a, b)?,
        units: units::compare(a, b)?,
        packages: packages::compare(a, b)?,
        files,
    })
}

/// What two sorted lists have: by name what the first has, what the second has.
fn merge<T>(a: Vec<T>, b: Vec<T>, name: impl Fn(&T) -> &[u8]) -> Vec<(Option<T>, Option<T>)> {
    let mut merged = Vec::new();
    let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return merged,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => name(a).cmp(name(b)),
        };
        merged.push((a.next_if(|_| order.is_le()), b.next_if(|_| order.is_ge())));
    }
}

#[cfg(test)]
mod tests {
    use super::merge;

    #[test]
    fn names_meet() {
        let list = |names: &str| names.bytes().map(|byte| vec![byte]).collect::<Vec<_>>();
        let merged = merge(list("ace"), list("abde"), |name| name);
        let told: String = merged
            .iter()
            .map(|pair| match pair {
                (Some(_), None) => '<',
                (None, Some(_)) => '>',
                _ => '=',
            })
            .collect();
        assert_eq!(told, "=><>=");
    }
}
