//! Templates and conditions: Jinja in strict mode over the values of one host.
//!
//! A name that does not exist is an error, never an empty text. Secrets are not in the context at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use crate::guest::shell;
use crate::profile::host::HostSpec;
use crate::profile::problem::{Located, Place, Problem, SourceFile};

/// Steps that one template may take: a loop over loops ends instead of a build that hangs.
const FUEL: u64 = 1_000_000;

/// The values of one host and one overlay, with the rules to render templates.
pub(crate) struct Templates {
    environment: Environment<'static>,
    context: Value,
}

impl Templates {
    /// `vars` are the overlay's own variables; a template sees them as `vars.<name>`.
    pub(crate) fn new(host: &HostSpec, vars: &BTreeMap<String, toml::Value>) -> Result<Self, String> {
        let mut values = serde_json::to_value(host).map_err(|error| error.to_string())?;
        let vars = serde_json::to_value(vars).map_err(|error| error.to_string())?;
        if let Some(object) = values.as_object_mut() {
            object.insert("vars".to_owned(), vars);
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        // a line that holds only a statement leaves no line behind
        let syntax =
            SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
        environment.set_syntax(syntax.map_err(|error| error.to_string())?);
        environment.set_debug(true);
        environment.add_filter("shell", shell_words);
        environment.set_fuel(Some(FUEL));
        Ok(Self { environment, context: Value::from(Serde(values)) })
    }

    /// Renders a template.
    pub(crate) fn render(&self, file: &Arc<SourceFile>) -> Result<String, Problem> {
        let rendered = self.environment.render_named_str(file.name(), file.text(), &self.context);
        rendered.map_err(|error| {
            let place = Place::new(file, error_span(&error, file.text()));
            Problem::at(&place, describe(&error))
        })
    }

    /// Renders the value of a key.
    pub(crate) fn render_value(&self, text: &Located<String>) -> Result<String, Problem> {
        let rendered = self.environment.render_str(&text.value, &self.context);
        rendered.map_err(|error| Problem::at(&text.place, describe(&error)))
    }

    /// Whether a condition holds.
    pub(crate) fn holds(&self, when: &Located<String>) -> Result<bool, Problem> {
        let fail = |error: minijinja::Error| Problem::at(&when.place, describe(&error));
        let expression = self.environment.compile_expression(&when.value).map_err(fail)?;
        let mut names: Vec<_> = expression.undeclared_variables(true).into_iter().collect();
        names.sort();
        // comparing what does not exist is no error in Jinja, only false: a misspelt condition would never hold
        if let Some(name) = names.iter().find(|name| !self.exists(name)) {
            return Err(Problem::at(&when.place, format!("`{name}` does not exist")));
        }
        let value = expression.eval(&self.context).map_err(fail)?;
        bool::try_from(value).map_err(|_| Problem::at(&when.place, "is neither true nor false"))
    }

    fn exists(&self, path: &str) -> bool {
        let mut value = self.context.clone();
        for part in path.split('.') {
            match value.get_attr(part) {
                Ok(next) if !next.is_undefined() => value = next,
                _ => return false,
            }
        }
        true
    }
}

/// The filter `shell`: what an assignment of a shell script may have behind its `=`; for a list what an array may have
/// between its brackets.
fn shell_words(value: &Value) -> Result<String, minijinja::Error> {
    let refuse = |why: &str| minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, why.to_owned());
    match value.kind() {
        ValueKind::Undefined => Err(minijinja::Error::from(minijinja::ErrorKind::UndefinedError)),
        ValueKind::None => Ok(shell::word("")),
        // as text it is `True`
        ValueKind::Bool => Ok(value.is_true().to_string()),
        ValueKind::Number => Ok(value.to_string()),
        ValueKind::String => Ok(shell::word(value.as_str().unwrap_or_default())),
        ValueKind::Seq | ValueKind::Iterable => {
            let words = value.try_iter()?.map(|item| match item.kind() {
                ValueKind::Seq | ValueKind::Iterable => Err(refuse("a list in a list is no list of words")),
                _ => shell_words(&item),
            });
            Ok(words.collect::<Result<Vec<_>, _>>()?.join(" "))
        }
        _ => Err(refuse("a table is no word of a shell script")),
    }
}

fn error_span(error: &minijinja::Error, text: &str) -> std::ops::Range<usize> {
    if let Some(range) = error.range() {
        return range;
    }
    let number = error.line().unwrap_or(1).saturating_sub(1);
    let line = text.lines().nth(number).unwrap_or_default();
    let start = text.split_inclusive('\n').take(number).map(str::len).sum::<usize>();
    start..start + line.len()
}

fn describe(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (minijinja::ErrorKind::UndefinedError, None) => "this value does not exist".to_owned(),
        (kind, Some(detail)) => format!("{}: {detail}", kind),
        (kind, None) => kind.to_string(),
    }
}
