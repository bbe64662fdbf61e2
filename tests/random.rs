//! Are the random bits in a shader those of the host? `shaders/shared/philox.wgsl` against `src/random.rs`.

const SHARED: &str = include_str!("../shaders/shared/philox.wgsl");

/// Five words per invocation: a block under an awkward key and counter, then a uniform number.
const FRAME: &str = "
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    let i = at.x;
    let key = vec2<u32>(0xdeadbeefu * i, ~i);
    let block = philox(key, vec4<u32>(i, 0xffffffffu - i * i, i << 20u, 0x80000000u | i));
    for (var w = 0u; w < 4u; w += 1u) {
        out[5u * i + w] = block[w];
    }
    out[5u * i + 4u] = bitcast<u32>(uniform_(vec2<u32>(7u, 3u), i, 11u, i % 25u));
}
";

#[test]
fn the_shader_is_valid_wgsl() {
    let module = naga::front::wgsl::parse_str(&format!("{SHARED}{FRAME}")).unwrap();
    let mut validator =
        naga::valid::Validator::new(Default::default(), naga::valid::Capabilities::empty());
    validator.validate(&module).unwrap();
}

#[cfg(feature = "gpu")]
#[test]
fn the_shader_gives_the_bits_of_the_host() {
    use metatape::random::{philox, uniform24};
    const COUNT: u32 = 64 * 256;
    let Some(words) = pollster::block_on(run(COUNT)) else {
        return eprintln!("skipped: no GPU, not even a software one");
    };
    for i in 0..COUNT {
        let counter = [i, u32::MAX.wrapping_sub(i.wrapping_mul(i)), i << 20, 0x8000_0000 | i];
        let block = philox([0xdead_beef_u32.wrapping_mul(i), !i], counter);
        let uniform = uniform24(7, 3, i, 11, i % 25).to_bits();
        let got = &words[5 * i as usize..][..5];
        assert_eq!((&got[..4], got[4]), (&block[..], uniform), "counter {i}");
    }
}

#[cfg(feature = "gpu")]
async fn run(count: u32) -> Option<Vec<u32>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = instance.request_adapter(&Default::default()).await.ok()?;
    let (device, queue) = adapter.request_device(&Default::default()).await.unwrap();
    let source = wgpu::ShaderSource::Wgsl(format!("{SHARED}{FRAME}").into());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: Default::default(),
        cache: None,
    });
    let buffer = |usage| {
        let size = count as u64 * 5 * 4;
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: false,
        })
    };
    let out = buffer(wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
    let read = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: out.as_entire_binding() }],
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(count / 64, 1, 1);
    }
    encoder.copy_buffer_to_buffer(&out, 0, &read, 0, out.size());
    queue.submit([encoder.finish()]);
    read.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let bytes = read.get_mapped_range(..).unwrap();
    Some(bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect())
}
