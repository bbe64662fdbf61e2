//! The kernels of `cpu` on one thread and two whole steps, under criterion: for holding a change against the build
//! before it, `cargo bench`. Shares of the processor's ceiling, measured in the same moment: `metatape bench kernels`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use metatape::bench::rows;
use metatape::exec::cpu::{isa::Isa, measure};
use metatape::exec::{Device, Options, compile};

/// Throughput is in multiplications and additions, or results where a name says so.
fn kernels(c: &mut Criterion) {
    let isa = Isa::choose().expect("METATAPE_SIMD names instructions that this processor has");
    let mut group = c.benchmark_group("kernels");
    for mut case in measure::cases(isa) {
        group.throughput(Throughput::Elements(case.work as u64));
        group.bench_function(&case.name, |b| b.iter(&mut case.call));
    }
    group.finish();
}

/// A step of the sinusoid, where kernels are small, and one of a batch of 32, where they are large.
fn steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("steps");
    for row in rows::all() {
        let name = format!("{} {}", row.name, row.case);
        if !["R3 order2", "R4 batch32"].contains(&&name[..]) {
            continue;
        }
        let work = row.build();
        let options = Options { device: Device::Cpu, ..Options::default() };
        let mut program = compile(&work.tape, &work.outputs(), &work.state, &options)
            .expect("no memory budget is set");
        for (slot, values) in work.values.iter().enumerate() {
            program.write(slot, values);
        }
        group.throughput(Throughput::Elements((row.gflop() * 1e9) as u64));
        group.bench_function(&name, |b| b.iter(|| program.run().expect("`cpu` does not fail")));
    }
    group.finish();
}

criterion_group!(benches, kernels, steps);
criterion_main!(benches);
