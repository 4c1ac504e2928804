//! What a value is read with: where its secrets are looked for, and where faults and warnings gather.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::prints::{self, Prints};
use super::secret::Environment;
use super::tree::Item;

/// What reading a value depends on beside the value, and where faults gather.
pub(super) struct Reader<'e> {
    pub(super) environment: &'e Environment,
    /// From where relative paths of secrets and certificates count.
    pub(super) folder: PathBuf,
    pub(super) file: String,
    /// Each with the rank of its place.
    faults: RefCell<Vec<(usize, Fault)>>,
    warnings: RefCell<Vec<String>>,
    prints: RefCell<Prints>,
    /// What the value that is being read stands for, where that is not itself.
    content: Cell<Option<u64>>,
}

impl<'e> Reader<'e> {
    pub(super) fn new(file: &str, folder: &Path, environment: &'e Environment) -> Self {
        Self {
            environment,
            folder: folder.to_owned(),
            file: file.to_owned(),
            faults: RefCell::default(),
            warnings: RefCell::default(),
            prints: RefCell::default(),
            content: Cell::default(),
        }
    }

    pub(super) fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    pub(super) fn fault(&self, rank: usize, fault: Fault) {
        self.faults.borrow_mut().push((rank, fault));
    }

    /// Notes what the value that is being read stands for: a secret's text, a file's content.
    pub(super) fn stands_for(&self, content: &[u8]) {
        self.content.set(Some(prints::of_content(content)));
    }

    pub(super) fn print(&self, path: String, item: &Item) {
        let print = self.content.take().unwrap_or_else(|| prints::of_item(item));
        self.prints.borrow_mut().insert(path, print);
    }

    /// The faults, in the order of the file's lines; the warnings; what each key came to.
    pub(super) fn finish(self) -> (Vec<Fault>, Vec<String>, Prints) {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|(rank, _)| *rank);
        let faults = faults.into_iter().map(|(_, fault)| fault).collect();
        (faults, self.warnings.into_inner(), self.prints.into_inner())
    }
}

/// Why a value is not what its key takes.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) found: Option<String>,
    pub(super) expected: String,
    pub(super) advice: String,
}

impl Wrong {
    pub(super) fn new(expected: impl Into<String>) -> Self {
        Self { found: None, expected: expected.into(), advice: String::new() }
    }

    /// Says what was found, in place of the value itself.
    pub(super) fn found(mut self, found: impl Into<String>) -> Self {
        self.found = Some(found.into());
        self
    }

    pub(super) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "found {:?}; expected {}. {}", self.found, self.expected, self.advice)
    }
}
