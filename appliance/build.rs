//! How `genset` is linked.

use std::env::{var, var_os};

/// llama.cpp's operations that have another one in their place: see `src/own_kernels.rs`.
const REPLACED: [&str; 3] =
    ["ggml_compute_forward_flash_attn_ext", "ggml_gemm_q4_0_8x8_q8_0", "llamafile_sgemm"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(own_kernels, values(\"linked\", \"loaded\"))");
    let has_modules = var_os("CARGO_FEATURE_BACKENDS").is_some();
    if has_modules {
        // The program finds its libraries beside itself, wherever the package is put.
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib");
    }
    let target = |what: &str| var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if target("OS") == "linux" && target("ARCH") == "x86_64" {
        let (way, option) =
            if has_modules { ("loaded", "export-dynamic-symbol") } else { ("linked", "wrap") };
        println!("cargo:rustc-cfg=own_kernels=\"{way}\"");
        for operation in REPLACED {
            println!("cargo:rustc-link-arg-bin=genset=-Wl,--{option}={operation}");
        }
    }
}
