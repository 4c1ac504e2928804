//! The threads that a journal works on.

/// A thread of a journal that panics leaves requests unanswered and the journal without an owner: the
/// process ends, and its successor finds in the store what was promised.
pub(in crate::journal) fn ending_on_panic(work: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
        tracing::error!("a thread of the journal panicked; ending");
        std::process::exit(1);
    }
}
