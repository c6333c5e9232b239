//! What the evaluator can only look things up in.
//!
//! It knows maps, lists and texts. Whatever else an expression asks is to it one more map, of which nobody can list
//! the keys: from the arguments of a call to its answer, from a value to what it weighs. It knows neither.

use std::fmt::Debug;

use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};

/// Something that gives a value for a key, or fails.
pub(super) trait Lookup: Copy + Debug + Send + Sync {
    /// The value.
    fn at(&self, key: &dyn Val) -> Result<Box<dyn Val>, ExecutionError>;
}

/// The same, as the evaluator sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Indexed<L>(pub(super) L);

static INDEXED_TYPE: Type = MAP_TYPE;

impl<L: Lookup> Val for Indexed<L> {
    fn get_type(&self) -> &Type {
        &INDEXED_TYPE
    }

    fn cel_type() -> &'static Type {
        &INDEXED_TYPE
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(*self)
    }
}

impl<L: Lookup> Indexer for Indexed<L> {
    fn get<'b, 'w>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.0.at(key).map(CowVal::Owned)
    }

    fn steal<'w>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.0.at(key)
    }
}

/// A value of the evaluator as one that it can be given; `what` is what would give it.
pub(super) fn plain(what: &str, value: cel::Value) -> Result<Box<dyn Val>, ExecutionError> {
    value.try_into().map_err(|_| ExecutionError::function_error(what, "no plain value"))
}
