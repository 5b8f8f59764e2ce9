//! `/var/lib/dpkg/diversions`: files that one package, or the administrator, moved out of the way of others.

use crate::error::{Error, Result, lines, utf8};

/// A path that is kept elsewhere for everybody but one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// The absolute path that is diverted.
    pub from: String,
    /// Where the file of everybody else really is.
    pub to: String,
    /// The package that put its own file at `from`; `None` for a diversion by the administrator.
    pub package: Option<String>,
}

/// All diversions of a system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diversions(Vec<Diversion>);

impl Diversions {
    /// Reads the three lines a diversion: from, to, and the package or `:`.
    ///
    /// # Errors
    /// The first line that is missing or no absolute path.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        utf8(bytes)?;
        let texts = lines(bytes).map(|(number, line)| Ok((number, utf8(line)?)));
        let texts = texts.collect::<Result<Vec<_>>>()?;
        let diversion = |lines: &[(usize, &str)]| match lines {
            [from, to, (_, package)] => Ok(Diversion {
                from: absolute(*from)?,
                to: absolute(*to)?,
                package: Some(*package).filter(|package| *package != ":").map(str::to_owned),
            }),
            incomplete => {
                let line = incomplete.last().map_or(1, |(number, _)| *number);
                Err(Error::bad_value(line, "diversion", "three lines", "the end of the file"))
            }
        };
        texts.chunks(3).map(diversion).collect::<Result<_>>().map(Self)
    }

    /// All of them, in the order of the file.
    pub fn all(&self) -> &[Diversion] {
        &self.0
    }

    /// Where the file that `package` ships as `path` (absolute) really is.
    pub fn location<'a>(&'a self, package: &str, path: &'a str) -> &'a str {
        let diverts = |one: &&Diversion| one.from == path && one.package.as_deref() != Some(package);
        self.0.iter().find(diverts).map_or(path, |diversion| &diversion.to)
    }
}

fn absolute((line, path): (usize, &str)) -> Result<String> {
    match path.starts_with('/') {
        true => Ok(path.to_owned()),
        false => Err(Error::bad_value(line, "diversion", "an absolute path", path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"/bin/sh\n/bin/sh.distrib\ndash\n/usr/bin/x\n/usr/bin/x.local\n:\n";

    #[test]
    fn a_diverted_file_is_found_where_it_is() {
        let diversions = Diversions::parse(TEXT).expect("two");
        assert_eq!(diversions.all().len(), 2);
        assert_eq!(diversions.location("bash", "/bin/sh"), "/bin/sh.distrib");
        assert_eq!(diversions.location("dash", "/bin/sh"), "/bin/sh");
        assert_eq!(diversions.location("x", "/usr/bin/x"), "/usr/bin/x.local");
        assert_eq!(diversions.location("x", "/usr/bin/y"), "/usr/bin/y");
        assert_eq!(Diversions::parse(b""), Ok(Diversions::default()));
    }

    #[test]
    fn half_a_diversion_is_an_error_at_its_line() {
        let cases: [(&[u8], usize); 4] = [
            (b"/bin/sh\n/bin/sh.distrib\n", 2),
            (b"/bin/sh\n/x\ndash\n/y\n", 4),
            (b"/bin/sh\nrelative\ndash\n", 2),
            (b"/bin/sh\n/\xff\ndash\n", 2),
        ];
        for (bytes, line) in cases {
            assert_eq!(Diversions::parse(bytes).expect_err("half of one").line, line);
        }
    }
}
