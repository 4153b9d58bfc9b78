//! Panics that are handled: the composer and the planner are young, and what they are given comes from elsewhere.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static ARE_HANDLED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread would be handled here and now, and told of in the log: for panic hooks, which are called
/// anyway and need not tell of it.
pub fn are_handled() -> bool {
    ARE_HANDLED.get()
}

/// Runs what may panic.
///
/// # Errors
/// What the panic said.
pub(crate) fn handle<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = ARE_HANDLED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    ARE_HANDLED.set(before);
    outcome.map_err(|panic| said(panic.as_ref()))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it does not say why").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_handled_where_that_is_said_and_nowhere_else() {
        assert!(!are_handled());
        let outcome = handle(|| {
            assert_eq!(handle(|| panic!("{}", "within")), Err::<(), _>("within".into()));
            assert!(are_handled());
            assert!(std::thread::spawn(|| !are_handled()).join().unwrap());
            panic!("around")
        });
        assert_eq!(outcome, Err::<(), _>("around".into()));
        assert!(!are_handled());
        assert_eq!(handle(|| 1), Ok(1));
    }
}
