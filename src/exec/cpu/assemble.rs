//! From a sweep's program to the steps of its interpreter: two instructions in one step, products summed where they
//! stand, sinks written in place, registers reused as soon as nobody reads them.

use super::block::{BlockOp, Form};
use super::sweep::{Call, Frame, Reads, Step};
use crate::check::fault::{self, Fault};
use crate::op::Pointwise;
use crate::plan::kernel::{Arg, Instruction, Sink, Sweep};

/// Where an instruction finds an operand.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Operand {
    Load(usize),
    Register(usize),
    /// What this sweep has just stored.
    Sink(usize),
    Number(f32),
}

/// Turns the program into steps: instructions fused by twos, sinks written in place, registers reused.
pub(super) struct Assembler<'s> {
    sweep: &'s Sweep,
    frame: Frame<'s>,
    steps: Vec<Step>,
    /// Where each instruction's result stands.
    place: Vec<Option<Operand>>,
    gathered: Vec<Option<usize>>,
    /// The register of each put.
    puts: Vec<usize>,
    /// The register of each thin convolution.
    thins: Vec<usize>,
    last_use: Vec<usize>,
    free: Vec<usize>,
    registers: usize,
}

impl<'s> Assembler<'s> {
    /// The steps and how many registers they need, of which a row of a pool takes `pooled_row`. `over` names
    /// the load in whose place a sink stands, if any.
    pub(super) fn assemble(
        sweep: &'s Sweep,
        frame: Frame<'s>,
        over: &[Option<usize>],
        pooled_row: usize,
    ) -> (Vec<Step>, usize) {
        let n = sweep.program.len();
        // A product read by one sum is done there.
        let mut uses = vec![0usize; n];
        let mut count = |arg: Arg| {
            if let Arg::Value(k) = arg {
                uses[k] += 1;
            }
        };
        sweep.program.iter().flat_map(|i| &i.args).for_each(|&arg| count(arg));
        sweep.sinks.iter().for_each(|sink| count(sink.value));
        let picked = sweep.picks.iter().flat_map(|pick| {
            pick.largest.into_iter().chain(pick.taken.iter().map(|&(value, _)| value))
        });
        // What is read at the end, as a map in memory.
        let picked = picked.chain(sweep.window_sums.iter().map(|sum| sum.value));
        picked.clone().for_each(&mut count);
        let single = |arg: Arg, op: Pointwise| match arg {
            Arg::Value(k) if uses[k] == 1 && sweep.program[k].op == op => Some(k),
            _ => None,
        };
        let mut absorbed = vec![false; n];
        let summed: Vec<Option<usize>> = sweep
            .sinks
            .iter()
            .map(|sink| {
                let product = || single(sink.value, Pointwise::Mul);
                let k = (sink.sum.0 != 0).then(product).flatten()?;
                absorbed[k] = true;
                Some(k)
            })
            .collect();
        // Of two sums or products in a row, the first read by the second alone, one step is made.
        let mut fused: Vec<Option<(BlockOp, usize, Arg)>> = vec![None; n];
        for i in 0..n {
            let Instruction { op, args } = &sweep.program[i];
            let pairs: &[(Pointwise, BlockOp)] = match op {
                Pointwise::Add => {
                    &[(Pointwise::Mul, BlockOp::MulAdd), (Pointwise::Add, BlockOp::AddAdd)]
                }
                Pointwise::Mul => &[
                    (Pointwise::Mul, BlockOp::MulMul),
                    (Pointwise::Add, BlockOp::AddMul),
                    (Pointwise::Less, BlockOp::LessMul),
                ],
                _ => &[],
            };
            let found = pairs.iter().find_map(|&(first, both)| {
                [1, 0].into_iter().find_map(|side: usize| {
                    let k = single(args[side], first)?;
                    (fused[k].is_none() && !absorbed[i]).then_some((both, k, args[1 - side]))
                })
            });
            if let Some((_, k, _)) = found {
                (fused[i], absorbed[k]) = (found, true);
            }
        }
        let operands_of = |i: usize| -> Vec<Arg> {
            match fused[i] {
                Some((_, k, rest)) => {
                    vec![sweep.program[k].args[0], sweep.program[k].args[1], rest]
                }
                None => sweep.program[i].args.clone(),
            }
        };
        // The instruction that reads each load last; n: a sum, a pick or a copy does.
        let mut last_read = vec![0; sweep.loads.len()];
        let at_the_end = |sink: &Sink, product: &Option<usize>| match product {
            Some(k) => sweep.program[*k].args.clone(),
            None => vec![sink.value],
        };
        for i in (0..n).filter(|&i| !absorbed[i]) {
            for arg in operands_of(i) {
                if let Arg::Load(load) = arg {
                    last_read[load] = i;
                }
            }
        }
        let ends = sweep.sinks.iter().zip(&summed).flat_map(|(s, product)| at_the_end(s, product));
        for arg in ends.chain(picked.clone()) {
            if let Arg::Load(load) = arg {
                last_read[load] = n;
            }
        }
        // The map sink that holds each instruction's result, if its lanes are neighbours.
        let mut home: Vec<Option<usize>> = vec![None; n];
        for (s, sink) in sweep.sinks.iter().enumerate() {
            if let Arg::Value(k) = sink.value
                && sink.sum.0 == 0
                && frame.sinks[s].view.lane == 1
                && !absorbed[k]
                && over[s].is_none_or(|load| last_read[load] <= k)
            {
                home[k].get_or_insert(s);
            }
        }
        let mut last_use = vec![0usize; n];
        for i in (0..n).filter(|&i| !absorbed[i]) {
            for arg in operands_of(i) {
                if let Arg::Value(k) = arg {
                    last_use[k] = i;
                }
            }
        }
        // Sinks come after all instructions; what they read lives to the end.
        for (sink, product) in sweep.sinks.iter().zip(&summed) {
            for arg in at_the_end(sink, product) {
                if let Arg::Value(k) = arg {
                    last_use[k] = n;
                }
            }
        }
        for arg in picked {
            if let Arg::Value(k) = arg {
                last_use[k] = n;
            }
        }
        let mut this = Self {
            sweep,
            frame,
            steps: vec![],
            place: vec![None; n],
            gathered: vec![None; sweep.loads.len()],
            puts: vec![],
            thins: vec![],
            last_use,
            free: vec![],
            registers: 0,
        };
        for (load, view) in frame.loads.iter().enumerate() {
            let direct = matches!((view.row, view.lane), (r, 0 | 1) if r >= 0);
            if !direct {
                let register = this.register();
                this.gathered[load] = Some(register);
                let register = frame.register(register).place;
                this.steps.push(Step::Gather { load, register });
            }
        }
        for at in 0..sweep.puts.len() {
            let register = this.register();
            this.puts.push(register);
            let register = frame.register(register).place;
            this.steps.push(Step::Put { at, register });
        }
        for at in 0..sweep.thins.len() {
            let register = this.register();
            this.thins.push(register);
            let register = frame.register(register).place;
            this.steps.push(Step::Thin { at, register });
        }
        for i in (0..n).filter(|&i| !absorbed[i]) {
            let inputs = operands_of(i);
            let op = match fused[i] {
                Some((both, ..)) => both,
                None => block_op(this.sweep.program[i].op),
            };
            this.instruction(i, op, &inputs, home[i]);
        }
        for (s, sink) in sweep.sinks.iter().enumerate().filter(|&(s, _)| over[s].is_none()) {
            this.sink(s, sink, summed[s], &home);
        }
        this.picks(pooled_row);
        for (at, sum) in sweep.window_sums.iter().enumerate() {
            let map = this.map(sum.value);
            this.steps.push(Step::WindowSum { map, at });
        }
        // What overwrites a load comes when nobody reads it any more.
        for (s, sink) in sweep.sinks.iter().enumerate().filter(|&(s, _)| over[s].is_some()) {
            this.sink(s, sink, summed[s], &home);
        }
        (this.steps, this.registers)
    }

    /// The steps of picks, after everything they read.
    fn picks(&mut self, pooled_row: usize) {
        let mut at = self.sweep.puts.len();
        for pick in &self.sweep.picks {
            if let Some(value) = pick.largest {
                let map = self.map(value);
                // Where the map itself is taken, the best so far is kept there.
                let taken = pick.taken.iter().position(|&(taken, _)| taken == value);
                let row = self.frame.register(self.registers).place;
                let kept = taken.is_none().then_some(row);
                if kept.is_some() {
                    self.registers += pooled_row;
                }
                self.steps.push(Step::Largest { map, at: at + taken.unwrap_or(0), kept });
            }
            for (k, &(value, _)) in pick.taken.iter().enumerate() {
                if pick.largest != Some(value) {
                    let map = self.map(value);
                    self.steps.push(Step::Take { map, at: at + k });
                }
            }
            at += pick.taken.len().max(1);
        }
    }

    /// An operand whose lanes and rows stand in memory.
    fn map(&mut self, arg: Arg) -> Reads {
        let operand = self.operand(arg);
        let stands = match operand {
            Operand::Register(_) | Operand::Sink(_) => true,
            Operand::Load(k) => {
                let view = &self.frame.loads[k];
                view.lane == 1 && view.row > 0
            }
            Operand::Number(_) => false,
        };
        if stands {
            return self.reads(operand);
        }
        let to = Operand::Register(self.register());
        self.copy(operand, to);
        self.reads(to)
    }

    fn reads(&self, operand: Operand) -> Reads {
        match operand {
            Operand::Load(k) => self.frame.load(k),
            Operand::Register(k) => self.frame.register(k),
            Operand::Sink(k) => self.frame.sink(k),
            Operand::Number(number) => self.frame.number(number),
        }
    }

    /// The step that does `op` on `args`; the missing ones read 0.
    fn run(&mut self, op: BlockOp, args: &[Operand], to: Operand) {
        let mut reads = [self.frame.number(0.0); 3];
        for (read, &arg) in reads.iter_mut().zip(args) {
            *read = self.reads(arg);
        }
        let to = self.reads(to);
        let Frame { isa, flat_lanes, .. } = self.frame;
        let form = Form::new(isa, op, to.going.0, reads.map(|read| read.going), flat_lanes);
        let args = reads.map(|read| read.place);
        self.steps.push(Step::Run(Call { form, args, to: to.place }));
    }

    fn copy(&mut self, from: Operand, to: Operand) {
        self.run(BlockOp::Copy, &[from], to);
    }

    fn register(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.registers += 1;
            self.registers - 1
        })
    }

    fn operand(&self, arg: Arg) -> Operand {
        match arg {
            Arg::Number(n) => Operand::Number(n as f32),
            Arg::Load(k) => self.gathered[k].map_or(Operand::Load(k), Operand::Register),
            Arg::Value(k) => self.place[k].expect("instructions stand in order"),
            Arg::Put(k) => Operand::Register(self.puts[k]),
            Arg::Thin(k) => Operand::Register(self.thins[k]),
        }
    }

    fn instruction(&mut self, i: usize, op: BlockOp, inputs: &[Arg], home: Option<usize>) {
        let args: Vec<Operand> = inputs.iter().map(|&input| self.operand(input)).collect();
        // A register read for the last time here may be written here: block operators go place by place.
        for &input in inputs {
            if let Arg::Value(k) = input
                && self.last_use[k] == i
                && let Some(Operand::Register(r)) = self.place[k]
                && !self.free.contains(&r)
            {
                self.free.push(r);
            }
        }
        let to = match home {
            Some(sink) => Operand::Sink(sink),
            None => Operand::Register(self.register()),
        };
        self.place[i] = Some(to);
        self.run(op, &args, to);
    }

    fn sink(&mut self, s: usize, sink: &Sink, product: Option<usize>, home: &[Option<usize>]) {
        if sink.sum.0 != 0 {
            let (a, b) = match product {
                Some(k) => {
                    let args = &self.sweep.program[k].args;
                    (self.operand(args[0]), self.operand(args[1]))
                }
                None => (self.operand(sink.value), Operand::Number(1.0)),
            };
            let (a, b) = (self.reads(a), self.reads(b));
            self.steps.push(Step::Sum { a, b, sink: s });
            return;
        }
        if let Arg::Value(k) = sink.value
            && home[k] == Some(s)
        {
            return; // written where it was computed
        }
        let from = self.operand(sink.value);
        if self.frame.sinks[s].view.lane == 1 {
            return self.copy(from, Operand::Sink(s));
        }
        let register = match from {
            Operand::Register(register) => register,
            _ => {
                let register = self.register();
                self.copy(from, Operand::Register(register));
                register
            }
        };
        let register = self.frame.register(register).place;
        self.steps.push(Step::Scatter { register, sink: s });
    }
}

/// The SIMD instance of a pointwise operation: the second place a new row needs.
fn block_op(op: Pointwise) -> BlockOp {
    if op == Pointwise::Tanh && fault::active(Fault::CpuKernel) {
        return BlockOp::Erf; // planted, so that a test sees the checks find it
    }
    match op {
        Pointwise::Add => BlockOp::Add,
        Pointwise::Mul => BlockOp::Mul,
        Pointwise::Recip => BlockOp::Recip,
        Pointwise::Exp => BlockOp::Exp,
        Pointwise::Log => BlockOp::Log,
        Pointwise::Sqrt => BlockOp::Sqrt,
        Pointwise::Sin => BlockOp::Sin,
        Pointwise::Tanh => BlockOp::Tanh,
        Pointwise::Erf => BlockOp::Erf,
        Pointwise::Max => BlockOp::Max,
        Pointwise::Less => BlockOp::Less,
        Pointwise::Select => BlockOp::Select,
    }
}
