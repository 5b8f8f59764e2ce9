//! What the node calls itself.

use crate::command::outcome::FactChange;
use crate::failure::Failure;
use crate::guest::facts::facts;
use crate::image::base::BaseImage;

/// The facts that differ, in the order in which a person asks.
pub(super) fn compare(a: &BaseImage, b: &BaseImage) -> Result<Vec<FactChange>, Failure> {
    let (a, b) = (facts(a)?, facts(b)?);
    let value = |facts: &[(String, String)], name: &str| {
        facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let mut names: Vec<&String> = a.iter().map(|(name, _)| name).collect();
    names.extend(b.iter().map(|(name, _)| name).filter(|name| value(&a, name).is_none()));
    let changes = names.into_iter().map(|name| FactChange {
        name: name.clone(),
        a: value(&a, name),
        b: value(&b, name),
        secret: false,
    });
    Ok(changes.filter(|change| change.a != change.b).collect())
}
