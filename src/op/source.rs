//! Sources: values that come from no other value.

use crate::shape::Shape;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Known numbers, row-major, shared. Two of the same bits are the same, wherever on a tape they were written.
#[derive(Clone, Debug)]
pub struct Literal(pub Arc<[f64]>);

impl std::ops::Deref for Literal {
    type Target = [f64];
    fn deref(&self) -> &[f64] {
        &self.0
    }
}

impl Literal {
    fn bits(&self) -> impl Iterator<Item = u64> + '_ {
        self.iter().map(|v| v.to_bits())
    }
}

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.bits().eq(other.bits())
    }
}

impl Eq for Literal {}

impl Hash for Literal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The first few tell most apart; a long table is looked through only to see that it is another's equal.
        self.len().hash(state);
        self.bits().take(8).for_each(|bits| bits.hash(state));
    }
}

pub fn data_shape(literal: &Literal, wanted: Shape) -> Result<Shape, String> {
    if literal.len() != wanted.len() {
        return Err(format!("{} numbers do not fill {wanted}", literal.len()));
    }
    Ok(wanted)
}

/// The step counter (one element) is the only input; element and task come from the place.
pub fn random_shape(inputs: &[Shape], wanted: Shape) -> Result<Shape, String> {
    if inputs.len() != 1 || inputs[0].len() != 1 {
        return Err(format!("takes the step, one element; got {inputs:?}"));
    }
    Ok(wanted)
}
