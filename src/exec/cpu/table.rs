//! Where every buffer stands for one worker.

use crate::plan::{BufferId, Place, Plan, View};

/// A view's first element: `buffer + offset + task · task_stride`.
#[derive(Clone, Copy, Debug)]
pub struct At {
    pub buffer: BufferId,
    pub offset: usize,
    /// 0 also for buffers in a worker's arena: they hold one task at a time.
    pub task_stride: usize,
}

/// One pointer a buffer. Binding in place swaps two of them.
#[derive(Clone, Debug)]
pub struct Table {
    base: Vec<*mut f32>,
    one_task: Vec<bool>,
}

// Safety: the pointers lead into storage that the program owns for as long as its tables; who may
// write where is the plan's matter.
unsafe impl Send for Table {}
unsafe impl Sync for Table {}

impl Table {
    /// `own` holds the start of each `Place::Own` buffer.
    pub fn new(plan: &Plan, own: &[*mut f32], shared: *mut f32, worker: *mut f32) -> Self {
        let place = |b: usize| match plan.buffers[b].place {
            Place::Own => own[b],
            Place::Part { whole, offset } => own[whole].wrapping_add(offset),
            Place::Shared { offset } => shared.wrapping_add(offset),
            Place::Worker { offset } => worker.wrapping_add(offset),
        };
        let one_task = |b: &crate::plan::Buffer| matches!(b.place, Place::Worker { .. });
        Self {
            base: (0..plan.buffers.len()).map(place).collect(),
            one_task: plan.buffers.iter().map(one_task).collect(),
        }
    }

    pub fn at(&self, view: &View) -> At {
        let one_task = self.one_task[view.buffer];
        let task_stride = if one_task { 0 } else { view.task_stride };
        At { buffer: view.buffer, offset: view.offset, task_stride }
    }

    /// The start of a buffer.
    pub fn base(&self, buffer: BufferId) -> *mut f32 {
        self.base[buffer]
    }

    /// As [`Table::pointer`] for a buffer of bytes.
    ///
    /// # Safety
    /// As [`Table::pointer`].
    #[inline]
    pub unsafe fn byte_pointer(&self, at: &At, task: usize) -> *mut u8 {
        let base = unsafe { *self.base.get_unchecked(at.buffer) } as *mut u8;
        base.wrapping_add(at.offset + task * at.task_stride)
    }

    pub fn swap(&mut self, a: BufferId, b: BufferId) {
        self.base.swap(a, b);
    }

    /// # Safety
    /// `at` is of this table's plan, `task` below the view's tasks.
    #[inline]
    pub unsafe fn pointer(&self, at: &At, task: usize) -> *mut f32 {
        unsafe { self.base.get_unchecked(at.buffer).add(at.offset + task * at.task_stride) }
    }
}
