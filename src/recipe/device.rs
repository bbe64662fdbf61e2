//! The word for where a plan runs, as `--device` and recipes say it. Finding the device is `exec`'s work.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `auto` is a hardware GPU, else `cpu`; `gpu` a hardware GPU, else a software one with a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    Auto,
    Cpu,
    /// The N-th adapter of `metatape devices`, or the best.
    Gpu(Option<usize>),
    Reference,
}

impl FromStr for Device {
    type Err = String;

    /// The error is the end of a sentence that begins with what was typed.
    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("gpu:").map(str::parse)) {
            ("auto", _) => Ok(Device::Auto),
            ("cpu", _) => Ok(Device::Cpu),
            ("gpu", _) => Ok(Device::Gpu(None)),
            ("reference", _) => Ok(Device::Reference),
            (_, Some(Ok(n))) => Ok(Device::Gpu(Some(n))),
            _ => Err("is no device; expected auto, cpu, gpu, gpu:N or reference".to_string()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            Device::Gpu(None) => f.write_str("gpu"),
            Device::Gpu(Some(n)) => write!(f, "gpu:{n}"),
            Device::Reference => f.write_str("reference"),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|why| format!("{text:?} {why}"))
    }
}

impl From<Device> for String {
    fn from(device: Device) -> String {
        device.to_string()
    }
}

impl From<Device> for crate::exec::Device {
    fn from(device: Device) -> Self {
        match device {
            Device::Auto => Self::Auto,
            Device::Cpu => Self::Cpu,
            Device::Gpu(number) => Self::Gpu(number),
            Device::Reference => Self::Reference,
        }
    }
}
