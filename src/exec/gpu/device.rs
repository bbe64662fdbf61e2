//! Adapters: which there are, which one a request means, and what an opened one keeps.
//!
//! An adapter is opened once a process. Its pipelines are kept by text, so programs share them, and so
//! is the list of shaders that have proved themselves on it.

use super::launch::Launch;
use crate::error::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// What people and files may know about an adapter.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The N of `--device gpu:N`.
    pub number: usize,
    pub name: String,
    /// vulkan, metal or dx12.
    pub backend: String,
    /// Name and version of its driver.
    pub driver: String,
    /// False for a processor that plays a GPU.
    pub hardware: bool,
    /// Bytes that one program may take, and those of one binding of it.
    pub most_bytes: u64,
    pub binding_bytes: u64,
}

impl std::fmt::Display for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let kind = if self.hardware { "" } else { ", software" };
        write!(f, "{} ({}, {}{kind})", self.name, self.backend, self.driver)
    }
}

const WANTED: &str = "no GPU adapter found (asked for Vulkan, Metal, DX12); install a driver \
    (Debian and Ubuntu: libvulkan1 mesa-vulkan-drivers) or use --device cpu";

/// The adapters of this machine, in a fixed order: hardware first. None without a driver.
pub fn adapters() -> Vec<Adapter> {
    found().iter().map(|(adapter, _)| adapter.clone()).collect()
}

fn found() -> &'static [(Adapter, wgpu::Adapter)] {
    static FOUND: OnceLock<Vec<(Adapter, wgpu::Adapter)>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut desc = wgpu::InstanceDescriptor::new_without_display_handle();
        desc.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
        desc.flags = wgpu::InstanceFlags::empty();
        let backends = desc.backends;
        let instance = wgpu::Instance::new(desc);
        let mut all: Vec<_> = pollster::block_on(instance.enumerate_adapters(backends))
            .into_iter()
            .map(|adapter| (describe(&adapter), adapter))
            .collect();
        all.sort_by_key(|(adapter, _)| !adapter.hardware); // stable: the drivers' order otherwise
        all.iter_mut().enumerate().for_each(|(number, (adapter, _))| adapter.number = number);
        all
    })
}

fn describe(adapter: &wgpu::Adapter) -> Adapter {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    // The arena may be one buffer in several bindings, with indices 32 bits wide.
    let bindings = limits.max_storage_buffers_per_shader_stage as u64;
    let binding_bytes = limits.max_storage_buffer_binding_size;
    Adapter {
        number: 0,
        name: info.name,
        backend: info.backend.to_string().to_lowercase(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        hardware: info.device_type != wgpu::DeviceType::Cpu,
        most_bytes: binding_bytes.saturating_mul(bindings).min(limits.max_buffer_size).min(4 << 32),
        binding_bytes,
    }
}

/// The hardware adapter that `--device auto` takes, if there is one.
pub fn automatic() -> Option<usize> {
    adapters().into_iter().find(|adapter| adapter.hardware).map(|adapter| adapter.number)
}

/// The adapter that `--device gpu` or `gpu:N` means: hardware, else software with a warning.
pub fn choose(wanted: Option<usize>) -> Result<usize> {
    let all = adapters();
    let Some(first) = all.first() else { return Err(Error::input(WANTED)) };
    match wanted {
        Some(number) if number >= all.len() => Err(Error::input(format!(
            "no GPU adapter {number}; there are {}: `metatape devices` lists them",
            all.len()
        ))),
        Some(number) => Ok(number),
        None => {
            if !first.hardware {
                static SAID: OnceLock<()> = OnceLock::new();
                SAID.get_or_init(|| {
                    eprintln!("no hardware GPU found: --device gpu runs on {first}, which is slow")
                });
            }
            Ok(0)
        }
    }
}

/// One uniform buffer of parameters, and the arena in one or several bindings.
#[derive(Clone)]
pub struct Layout {
    pub group: wgpu::BindGroupLayout,
    pipeline: wgpu::PipelineLayout,
}

/// An opened adapter.
pub struct Gpu {
    pub adapter: Adapter,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    /// By the number of bindings of the arena.
    layouts: Mutex<HashMap<usize, Layout>>,
    pipelines: Mutex<HashMap<(String, &'static str), wgpu::ComputePipeline>>,
    /// Why the device can no longer be used.
    failure: Arc<Mutex<Option<String>>>,
    /// Shader texts that have proved themselves, by hash.
    pub proven: Mutex<HashSet<u64>>,
}

/// The adapter of this number, opened; an opened one is used again until it fails.
pub fn open(number: usize) -> Result<Arc<Gpu>> {
    static OPEN: Mutex<Vec<(usize, Arc<Gpu>)>> = Mutex::new(Vec::new());
    let mut open = lock(&OPEN);
    open.retain(|(_, gpu)| gpu.healthy().is_ok());
    if let Some((_, gpu)) = open.iter().find(|(n, _)| *n == number) {
        return Ok(gpu.clone());
    }
    let (adapter, handle) = &found()[number];
    let gpu = Arc::new(Gpu::open(adapter.clone(), handle)?);
    open.push((number, gpu.clone()));
    Ok(gpu)
}

impl Gpu {
    fn open(adapter: Adapter, handle: &wgpu::Adapter) -> Result<Gpu> {
        let desc = wgpu::DeviceDescriptor {
            label: Some("metatape"),
            // What the adapter offers; the shaders themselves stay within what WebGPU promises.
            required_limits: handle.limits(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(handle.request_device(&desc))
            .map_err(|why| Error::Machine(format!("{adapter} did not open: {why}")))?;
        let failure = Arc::new(Mutex::new(None));
        let (lost, faulty) = (failure.clone(), failure.clone());
        device.set_device_lost_callback(move |reason, why| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                lock(&lost).get_or_insert(format!("the device was lost: {why}"));
            }
        });
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&faulty).get_or_insert(error.to_string());
        }));

        Ok(Gpu {
            adapter,
            device,
            queue,
            layouts: Mutex::default(),
            pipelines: Mutex::default(),
            failure,
            proven: Mutex::default(),
        })
    }

    /// Whether the device still answers; else what went wrong.
    pub fn healthy(&self) -> Result<()> {
        match &*lock(&self.failure) {
            None => Ok(()),
            Some(why) => Err(Error::Machine(format!("{}: {why}", self.adapter))),
        }
    }

    /// Marks the device as failed, so that the next program opens it anew.
    pub fn fail(&self, why: String) -> Error {
        let error = Error::Machine(format!("{}: {why}", self.adapter));
        lock(&self.failure).get_or_insert(why);
        error
    }

    /// The layout for an arena of so many bindings.
    pub fn layout(&self, banks: usize) -> Layout {
        let make = || {
            let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty,
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            };
            let storage = wgpu::BufferBindingType::Storage { read_only: false };
            let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
            entries.extend((1..=banks as u32).map(|binding| entry(binding, storage)));
            let group = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: None,
                entries: &entries,
            });
            let pipeline = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&group)],
                immediate_size: 0,
            });
            Layout { group, pipeline }
        };
        lock(&self.layouts).entry(banks).or_insert_with(make).clone()
    }

    /// The pipeline of a launch, made at its text's first use.
    pub fn pipeline(&self, launch: &Launch, layout: &Layout) -> Result<wgpu::ComputePipeline> {
        let mut pipelines = lock(&self.pipelines);
        let key = (launch.text.clone(), launch.entry);
        if let Some(pipeline) = pipelines.get(&key) {
            return Ok(pipeline.clone());
        }
        let pipeline = self.guarded(launch.file, || {
            let desc = wgpu::ShaderModuleDescriptor {
                label: Some(launch.file),
                source: wgpu::ShaderSource::Wgsl(launch.text.as_str().into()),
            };
            let mut checks = wgpu::ShaderRuntimeChecks::checked();
            // Every loop here counts to a bound that `Launch::trips` knows. A second counter in each,
            // which wgpu would add, cost one user a hundredfold (gfx-rs/wgpu issue 7698).
            checks.force_loop_bounding = false;
            // SAFETY: the only promise given up is that loops end, and they do: see above.
            let module = unsafe { self.device.create_shader_module_trusted(desc, checks) };
            self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(launch.file),
                layout: Some(&layout.pipeline),
                module: &module,
                entry_point: Some(launch.entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Shaders write workgroup memory before they read it.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            })
        })?;
        pipelines.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    /// Makes something on the device; an error there becomes ours.
    pub fn guarded<T>(&self, what: &str, make: impl FnOnce() -> T) -> Result<T> {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        let scopes = [Validation, Internal, OutOfMemory].map(|f| self.device.push_error_scope(f));
        let made = make();
        let mut error = None;
        for scope in scopes.into_iter().rev() {
            error = error.or(pollster::block_on(scope.pop()));
        }
        match error {
            None => Ok(made),
            Some(why) => Err(Error::Machine(format!("{}: {what}: {why}", self.adapter))),
        }
    }
}

/// A thread that panicked with the lock held left nothing half done here.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
