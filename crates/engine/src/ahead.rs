//! What was found about a thing before the documents it refers to were known.

use std::any::Any;
use std::fmt;

/// Facts fetched ahead of their turn, handed once to the look that needs them. Only a run that looks uses them: nothing
/// can have changed in between by its own hand.
#[derive(Default)]
pub struct Ahead(Option<Box<dyn Any + Send>>);

impl Ahead {
    /// Nothing was fetched: the look fetches everything itself.
    pub fn nothing() -> Self {
        Ahead(None)
    }

    /// These facts.
    pub fn of<T: Send + 'static>(facts: T) -> Self {
        Ahead(Some(Box::new(facts)))
    }

    /// The facts, if there are any and they are of this type.
    pub fn take<T: 'static>(self) -> Option<T> {
        self.0?.downcast().ok().map(|facts| *facts)
    }
}

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Ahead(facts)" } else { "Ahead(nothing)" })
    }
}

#[cfg(test)]
mod tests {
    use super::Ahead;

    #[test]
    fn only_facts_of_the_right_type_come_out() {
        assert_eq!(Ahead::of(7_u32).take::<u32>(), Some(7));
        assert_eq!(Ahead::of(7_u32).take::<String>(), None);
        assert_eq!(Ahead::nothing().take::<u32>(), None);
    }
}
