//! What both images say about themselves, subject by subject.

use crate::command::outcome::{FactChange, SectionChange};
use crate::command::sections::sections;
use crate::failure::Failure;
use crate::guest::inventory::Item;
use crate::image::base::BaseImage;

/// The subjects that something differs in, in the order in which a person reads.
pub(super) fn compare(a: &BaseImage, b: &BaseImage) -> Result<Vec<SectionChange>, Failure> {
    let pairs = sections(a)?.into_iter().zip(sections(b)?);
    let changes = pairs.map(|(a, b)| SectionChange { name: a.name, changes: changes(&a.items, &b.items) });
    Ok(changes.filter(|section| !section.changes.is_empty()).collect())
}

fn changes(a: &[Item], b: &[Item]) -> Vec<FactChange> {
    let find = |items: &'_ [Item], name: &str| items.iter().find(|item| item.name == name).cloned();
    let only_b = b.iter().filter(|item| find(a, &item.name).is_none());
    let pairs = a.iter().chain(only_b).map(|item| (find(a, &item.name), find(b, &item.name)));
    let change = |(a, b): (Option<Item>, Option<Item>)| {
        let name = a.as_ref().or(b.as_ref())?.name.clone();
        let secret = [&a, &b].into_iter().flatten().any(Item::is_secret);
        (a != b).then(|| FactChange {
            name,
            a: a.map(|item| item.value),
            b: b.map(|item| item.value),
            secret,
        })
    };
    pairs.filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::{Item, changes};

    #[test]
    fn a_secret_that_differs_is_a_change_although_nothing_of_it_shows() {
        let a = [Item::new("x", "1"), Item::new("gone", "2"), Item::secret("op", "password set", b"one")];
        let b = [Item::secret("op", "password set", b"two"), Item::new("x", "1"), Item::new("new", "3")];
        let told: Vec<_> = changes(&a, &b)
            .into_iter()
            .map(|change| {
                let side = |side: Option<String>| side.unwrap_or_else(|| "-".to_owned());
                format!("{} {} {} {}", change.name, side(change.a), side(change.b), change.secret)
            })
            .collect();
        assert_eq!(told, ["gone 2 - false", "op password set password set true", "new - 3 false"]);
    }
}
