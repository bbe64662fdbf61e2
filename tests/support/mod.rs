//! A case file taken apart, so that a test can change one thing and put it together again.

use serde_json::{Map, Value, json};

#[derive(Clone)]
pub struct Parts {
    pub header: Map<String, Value>,
    pub program: Value,
    pub data: Vec<u8>,
}

impl Parts {
    pub fn read(name: &str) -> Self {
        let bytes = std::fs::read(format!("tests/cases/{name}.safetensors")).unwrap();
        let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: Map<String, Value> = serde_json::from_slice(&bytes[8..8 + len]).unwrap();
        let text = header["__metadata__"]["program"].as_str().unwrap();
        let program = serde_json::from_str(text).unwrap();
        Self { header, program, data: bytes[8 + len..].to_vec() }
    }

    /// The header as text, with the program in it.
    pub fn text(&self) -> String {
        let mut header = self.header.clone();
        header["__metadata__"]["program"] = json!(self.program.to_string());
        Value::Object(header).to_string()
    }

    /// The bytes of the file, with the header's own length.
    pub fn bytes(&self) -> Vec<u8> {
        assemble(&self.text(), &self.data)
    }
}

pub fn assemble(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}
