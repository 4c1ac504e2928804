//! What is wrong with a configuration, said so that it can be put right without reading code.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands: a file with its line, or an environment variable.
    pub place: String,
    /// The key's path, such as `org.acme.relay.url`; empty where the file as a whole is meant.
    pub key: String,
    /// What stands there. Never a secret's text.
    pub found: String,
    /// What would be taken in its place.
    pub expected: String,
    /// What to do about it.
    pub advice: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "found {}; expected {}.", self.found, self.expected)?;
        if !self.advice.is_empty() {
            write!(f, " {}", self.advice)?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration, in the order of the file's lines: before them what
/// concerns the file as a whole, after them what the environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [fault] => write!(f, "the configuration cannot be used: {fault}"),
            faults => {
                write!(f, "the configuration cannot be used, for {} reasons:", faults.len())?;
                faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_where_what_and_what_to_do() {
        let fault = Fault {
            place: "bridge.toml, line 3".into(),
            key: "listen".into(),
            found: "\"here\"".into(),
            expected: "an address".into(),
            advice: "Write one.".into(),
        };
        let one = "bridge.toml, line 3: listen: found \"here\"; expected an address. Write one.";
        assert_eq!(fault.to_string(), one);
        assert_eq!(Faults(vec![fault.clone()]).to_string(), format!("the configuration cannot be used: {one}"));
        assert_eq!(Faults(vec![fault.clone(), fault]).to_string().lines().count(), 3);
    }
}
