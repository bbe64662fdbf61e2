#!/usr/bin/env bash
# Runs every test: formatting, clippy, documentation, unit and integration tests, examples, the README's
# commands. Installs software Vulkan for the gpu tests where it can and none is there.
set -euo pipefail
cd "$(dirname "$0")"

# Without a Vulkan driver the gpu tests fail, with a line that says so; they are never skipped in silence.
have_vulkan() { ldconfig -p 2>/dev/null | grep -q libvulkan && ls /usr/share/vulkan/icd.d/*.json >/dev/null 2>&1; }
if [ "$(uname -s)" = Linux ] && ! have_vulkan && command -v apt-get >/dev/null; then
  sudo=""; [ "$(id -u)" = 0 ] || sudo="sudo"
  echo "installing software Vulkan (libvulkan1, mesa-vulkan-drivers)"
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends libvulkan1 mesa-vulkan-drivers >/dev/null
fi
# Mesa complains without a place for its run-time files.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
# llvmpipe compiles each shader once and runs it briefly: without its optimiser the cases take half the time.
export GALLIVM_PERF="${GALLIVM_PERF:-nopt}"

cargo fmt --check
cargo clippy --release --all-targets --quiet -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps --quiet
cargo test --release
for example in examples/*.rs; do
  name=$(basename "$example" .rs)
  echo "example $name"
  cargo run --release --quiet --example "$name" >/dev/null
done
echo "all tests passed"
