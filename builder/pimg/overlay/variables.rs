//! The values of an overlay's variables for one host: what the profile gives, else the default.

use std::collections::BTreeMap;

use crate::profile::document::closest;
use crate::profile::host::HostSpec;
use crate::profile::problem::Problem;

use super::manifest::Manifest;

/// Every variable of the overlay by name.
pub(crate) fn resolve(
    overlay: &str,
    manifest: &Manifest,
    host: &HostSpec,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, toml::Value> {
    let profile = &host.profile;
    let none = BTreeMap::new();
    let given = host.vars.get(overlay).unwrap_or(&none);
    for name in given.keys().filter(|name| !manifest.variables.contains_key(*name)) {
        let message = format!(
            "profile `{profile}` sets `vars.{overlay}.{name}`, which overlay `{overlay}` does not have"
        );
        let known = manifest.variables.keys().map(String::as_str);
        let hint = match closest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if manifest.variables.is_empty() => format!("overlay `{overlay}` has no variables"),
            None => format!("its variables are `{}`", known.collect::<Vec<_>>().join("`, `")),
        };
        problems.push(Problem::new(message).with_hint(hint));
    }
    let mut values = BTreeMap::new();
    for (name, variable) in &manifest.variables {
        let value = match (given.get(name), &variable.default) {
            (Some(given), _) => match variable.kind.convert(given) {
                Ok(value) => value,
                Err(()) => {
                    let expected = variable.kind.words();
                    let message =
                        format!("profile `{profile}` sets `vars.{overlay}.{name}` to what is not {expected}");
                    problems.push(Problem::at(&variable.place, message));
                    continue;
                }
            },
            (None, Some(default)) => default.clone(),
            (None, None) => {
                let message =
                    format!("profile `{profile}` must set `vars.{overlay}.{name}`: it has no default");
                let problem = Problem::at(&variable.place, message);
                problems.push(match &variable.description {
                    Some(description) => problem.with_hint(description.clone()),
                    None => problem,
                });
                continue;
            }
        };
        values.insert(name.clone(), value);
    }
    values
}
