//! What the stand-in relay answers, in turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// How the stand-in relay answers one request: with which status, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header, in seconds.
    pub retry_after: Option<u32>,
    /// How long it is held back after the request has arrived.
    pub delay: Duration,
}

impl Answer {
    /// This status at once, without a `Retry-After`.
    pub fn status(status: u16) -> Self {
        Self { status, retry_after: None, delay: Duration::ZERO }
    }
}

/// Answers in turn, each with how often; the last is repeated for ever.
///
/// As text: `STATUS[+RETRY_AFTER][@DELAY][xTIMES]`, with commas between; seconds both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script(Vec<(Answer, u64)>);

/// A text is not a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no answer; write STATUS[+RETRY_AFTER][@DELAY][xTIMES], as in 503x3,429+2@0.5,200")]
pub struct BadScript(String);

impl FromStr for Script {
    type Err = BadScript;

    fn from_str(text: &str) -> Result<Self, BadScript> {
        let entry = |part: &str| entry(part.trim()).ok_or_else(|| BadScript(part.trim().to_owned()));
        text.split(',').map(entry).collect::<Result<_, _>>().map(Self)
    }
}

fn entry(text: &str) -> Option<(Answer, u64)> {
    let (text, times) = match text.split_once('x') {
        Some((text, times)) => (text, times.parse().ok().filter(|&times| times > 0)?),
        None => (text, 1),
    };
    let (text, delay) = match text.split_once('@') {
        Some((text, delay)) => (text, Duration::try_from_secs_f64(delay.parse().ok()?).ok()?),
        None => (text, Duration::ZERO),
    };
    let (status, retry_after) = match text.split_once('+') {
        Some((status, after)) => (status, Some(after.parse().ok()?)),
        None => (text, None),
    };
    let status = status.parse().ok().filter(|status| (200..600).contains(status))?;
    Some((Answer { status, retry_after, delay }, times))
}

impl Script {
    /// The answer to the request of that number, from 0.
    fn answer(&self, mut number: u64) -> Answer {
        for (answer, times) in &self.0 {
            if number < *times {
                return *answer;
            }
            number -= times;
        }
        self.0.last().map_or(Answer::status(200), |(answer, _)| *answer)
    }
}

/// A script, or a file that holds one, and how far it has been played.
#[derive(Debug, Clone)]
pub struct Answers {
    script: Option<Script>,
    file: Option<PathBuf>,
    given: u64,
}

impl From<Script> for Answers {
    fn from(script: Script) -> Self {
        Self { script: Some(script), file: None, given: 0 }
    }
}

impl Answers {
    /// The script in a file, which is read again for each request; a changed one starts anew.
    pub fn file(path: &Path) -> Self {
        Self { script: None, file: Some(path.to_owned()), given: 0 }
    }

    /// The next answer; what is wrong with the file, if something is.
    pub(super) fn next(&mut self) -> Result<Answer, String> {
        if let Some(file) = &self.file {
            let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            let script = text.trim().parse().map_err(|error| format!("{}: {error}", file.display()))?;
            if self.script.as_ref() != Some(&script) {
                (self.script, self.given) = (Some(script), 0);
            }
        }
        let answer = self.script.as_ref().map_or(Answer::status(200), |script| script.answer(self.given));
        self.given += 1;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(answers: &mut Answers, times: usize) -> Vec<u16> {
        (0..times).map(|_| answers.next().unwrap().status).collect()
    }

    #[test]
    fn a_script_is_played_and_its_last_entry_repeated() {
        let mut answers = Answers::from("503x2, 404,200".parse::<Script>().unwrap());
        assert_eq!(play(&mut answers, 6), [503, 503, 404, 200, 200, 200]);
        let script: Script = "429+2@0.5x3".parse().unwrap();
        let expected = Answer { status: 429, retry_after: Some(2), delay: Duration::from_millis(500) };
        assert_eq!(script, Script(vec![(expected, 3)]));
    }

    #[test]
    fn what_is_no_script_is_refused() {
        for bad in ["", "abc", "99", "600", "200x0", "200x", "200@-1", "200,", "200+a"] {
            assert!(bad.parse::<Script>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_is_read_for_each_request() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("answers");
        let mut answers = Answers::file(&file);
        assert!(answers.next().is_err());
        fs::write(&file, "503x1,200\n").unwrap();
        assert_eq!(play(&mut answers, 2), [503, 200]);
        fs::write(&file, "404,201").unwrap();
        assert_eq!(play(&mut answers, 2), [404, 201]);
    }
}
