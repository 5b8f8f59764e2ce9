//! The one-line form: `deb [ option=value … ] uri suite component …`.

use super::{SignedBy, Source, kind};
use crate::error::{Error, Result, utf8};

/// Reads a `sources.list` file.
///
/// # Errors
/// The first line that apt would refuse.
pub fn parse_list(bytes: &[u8]) -> Result<Vec<Source>> {
    let lines = (1..).zip(utf8(bytes)?.lines());
    let lines = lines.map(|(number, line)| (number, line.split('#').next().unwrap_or_default().trim_ascii()));
    lines.filter(|(_, line)| !line.is_empty()).map(|(number, line)| source(number, line)).collect()
}

fn source(number: usize, line: &str) -> Result<Source> {
    let bad = || {
        let expected = "`deb [options] uri suite components`";
        Error::bad_value(number, "sources.list line", expected, line)
    };
    let (word, rest) = line.split_once([' ', '\t']).ok_or_else(bad)?;
    let mut source = Source { types: vec![kind(number, word)?], ..Source::empty() };
    let mut rest = rest.trim_ascii_start();
    if let Some(options) = rest.strip_prefix('[') {
        let (options, behind) = options.split_once(']').ok_or_else(bad)?;
        options.split_ascii_whitespace().try_for_each(|option| set(&mut source, number, option))?;
        rest = behind;
    }
    let mut words = words(rest).into_iter();
    source.uris = vec![words.next().ok_or_else(bad)?];
    source.suites = vec![words.next().ok_or_else(bad)?];
    source.components = words.collect();
    source.check(number)?;
    Ok(source)
}

fn set(source: &mut Source, number: usize, option: &str) -> Result<()> {
    let bad = || Error::bad_value(number, "option", "of the form `name=value`", option);
    let (name, value) = option.split_once('=').ok_or_else(bad)?;
    let values = value.split(',').filter(|value| !value.is_empty()).map(str::to_owned).collect();
    match name {
        "arch" => source.architectures = values,
        "signed-by" => source.signed_by = Some(SignedBy::Keys(values)),
        _ => source.others.push((field_name(name), values)),
    }
    Ok(())
}

/// `lang+` is `Languages-Add`; most options are called the same in both forms.
fn field_name(option: &str) -> String {
    let added = option.strip_suffix('+').map(|stem| (stem, "-Add"));
    let removed = || option.strip_suffix('-').map(|stem| (stem, "-Remove"));
    let (stem, suffix) = added.or_else(removed).unwrap_or((option, ""));
    let name = match stem {
        "arch" => "Architectures",
        "lang" => "Languages",
        "target" => "Targets",
        other => other,
    };
    format!("{name}{suffix}")
}

/// Splits at spaces, but not inside `[]` and `""` (apt's `ParseQuoteWord`): names of discs have spaces.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut bracketed) = (Vec::new(), String::new(), false, false);
    for character in text.chars() {
        match character {
            ' ' | '\t' if !quoted && !bracketed => words.extend(Some(std::mem::take(&mut word))),
            '"' => quoted = !quoted,
            _ => {
                bracketed = character == '[' || (bracketed && character != ']');
                word.push(character);
            }
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}
