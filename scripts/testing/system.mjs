/** What test:everywhere takes from Debian and PyPI, installed once and only where missing. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "../programs.mjs";
import { capture } from "./processes.mjs";

const PACKAGES = [
  "chromium", "firefox-esr",
  // Another processor, emulated: aarch64.
  "qemu-user", "libc6-arm64-cross", "libstdc++6-arm64-cross", "libatomic1-arm64-cross",
  // A WebAssembly engine that is no JavaScript engine comes from PyPI.
  "python3-venv",
  // torch without CUDA: its own files are read.
  "python3-torch",
];

async function isInstalled(name) {
  const { code, output } = await capture("dpkg-query", ["-W", "-f=${Status}", name]);
  return code === 0 && output.includes("install ok installed");
}

export async function installSystemPackages() {
  const missing = [];
  for (const name of PACKAGES) if (!(await isInstalled(name))) missing.push(name);
  if (missing.length === 0) return;
  const sudo = process.getuid() === 0 ? [] : ["sudo"];
  const apt = async (...args) => {
    const [command, ...rest] = [...sudo, "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120", ...args];
    await run(command, rest, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, stdio: ["ignore", "ignore", "inherit"] });
  };
  console.log(`kvasm: installing ${missing.join(", ")}`);
  await apt("update");
  await apt("install", "-y", "--no-install-recommends", ...missing);
}

/** Lets torch write its files into build/torch, for tests/torch. */
export async function writeTorchFiles() {
  const { code, output } = await capture("/usr/bin/python3", [join(root, "tests/torch/write.py"), join(root, "build/torch")]);
  if (code !== 0) throw new Error(`tests/torch/write.py failed:\n${output}`);
}

const environment = join(root, "build/python");

/** The path of a Python that has what tests/engines/requirements.txt names. */
export async function installPython() {
  const python = join(environment, "bin/python");
  const pip = (...args) => capture(python, ["-m", "pip", "--disable-pip-version-check", ...args, "-r", join(root, "tests/engines/requirements.txt")]);
  if (existsSync(python) && (await pip("install", "--quiet", "--no-index")).code === 0) return python;
  console.log("kvasm: installing wasmtime, tokenizers and huggingface_hub for Python");
  await run("/usr/bin/python3", ["-m", "venv", "--clear", environment]);
  const { code, output } = await pip("install", "--quiet");
  if (code !== 0) throw new Error(`pip could not install tests/engines/requirements.txt:\n${output}`);
  return python;
}
