//! What went wrong, in the words of what we were doing.

use std::error::Error;
use std::fmt;

/// A boxed cause.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// Result of anything that may fail against a service.
pub type Outcome<T> = Result<T, Failure>;

/// What the loop does about a failure. It looks at nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same call may go through later: back off, look again, try again.
    Transient,
    /// Trying again changes nothing: report it.
    Rejected,
    /// Cannot be told before another document has been carried out (its outputs are not known yet).
    Pending,
}

/// A failure: what we were doing, why it failed, what to do next.
#[derive(Debug)]
pub struct Failure {
    /// What the loop may do about it.
    pub class: Class,
    /// What we were doing, in our words: `create bucket p8-meteo`.
    pub doing: String,
    /// Why it failed.
    pub source: Option<BoxError>,
    /// What the reader can do next.
    pub hint: Option<String>,
    /// Which of the exit codes this failure asks for, where it is not the common 1.
    pub exit: Option<u8>,
}

impl Failure {
    /// A failure that may pass by itself.
    pub fn transient(doing: impl Into<String>) -> Self {
        Failure { class: Class::Transient, doing: doing.into(), source: None, hint: None, exit: None }
    }

    /// A failure that stays until somebody changes something.
    pub fn rejected(doing: impl Into<String>) -> Self {
        Failure { class: Class::Rejected, doing: doing.into(), source: None, hint: None, exit: None }
    }

    /// A value that is known only after `dependency` has been carried out.
    pub fn pending(dependency: impl fmt::Display) -> Self {
        Failure { class: Class::Pending, doing: format!("known after {dependency}"), source: None, hint: None, exit: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Asks for an exit code of its own.
    #[must_use]
    pub fn exit(mut self, code: u8) -> Self {
        self.exit = Some(code);
        self
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        self.class == Class::Transient
    }

    /// The same failure for somebody else who waited for it; its causes become texts.
    #[must_use]
    pub fn again(&self) -> Self {
        let cause = self.causes().into_iter().rev().fold(None, |inner: Option<Failure>, text| {
            let outer = Failure::rejected(text);
            Some(match inner {
                Some(inner) => outer.because(inner),
                None => outer,
            })
        });
        Failure { class: self.class, doing: self.doing.clone(), source: cause.map(Into::into), hint: self.hint.clone(), exit: self.exit }
    }

    /// The chain of causes, outermost first, without repeating a text that the level above already carries.
    pub fn causes(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        let mut next: Option<&(dyn Error + 'static)> = self.source.as_deref().map(|source| source as &(dyn Error + 'static));
        while let Some(error) = next {
            let text = error.to_string();
            if !texts.iter().any(|said| said.contains(&text)) {
                texts.push(text);
            }
            next = error.source();
        }
        texts
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once_each() {
        let inner = Failure::rejected("access denied");
        let outer = Failure::rejected("create bucket p8").because(Failure::rejected("call S3: access denied").because(inner));
        assert_eq!(outer.causes(), ["call S3: access denied"]);
    }

    #[test]
    fn told_again_it_is_the_same() {
        let causes = Failure::rejected("no route").because(Failure::rejected("the cable is out"));
        let first = Failure::transient("ask").because(causes).hint("plug it in").exit(3);
        let again = first.again();
        assert_eq!((again.class, &again.doing, again.causes()), (first.class, &first.doing, first.causes()));
        assert_eq!((&again.hint, again.exit), (&first.hint, first.exit));
    }
}
