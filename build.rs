//! Compiles the protos (no protoc needed) and the C++ shim (`src/ml/shim`), and links libtorch so that everything we
//! build finds it at run time.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    compile_protos()?;
    #[cfg(feature = "daemon")]
    libtorch::link_and_compile_shim()?;
    Ok(())
}

/// Server and client code (with the messages' names, for `Any`) and the descriptor set that reflection serves, options included. Google's messages are our own generated ones,
/// except `google.rpc.Status`, which is tonic-types'.
fn compile_protos() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut files = Vec::new();
    for entry in std::fs::read_dir("proto/unlearnd/v1")? {
        files.push(entry?.path());
    }
    files.sort();
    files.push(PathBuf::from("proto/google/longrunning/operations.proto"));
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    let descriptors = compiler.file_descriptor_set();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    compiler.include_source_info(false);
    std::fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .build_server(std::env::var_os("CARGO_FEATURE_DAEMON").is_some())
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}

#[cfg(feature = "daemon")]
mod libtorch {
    use std::error::Error;
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    const SHIM: [&str; 4] =
        ["src/ml/shim/settings.cpp", "src/ml/shim/images.cpp", "src/ml/shim/texts.cpp", "src/ml/shim/module.cpp"];
    /// Kernels that run only where the processor has what they are compiled for (`unlearnd_winograd_supported` and so on).
    const SPECIAL: [(&str, &str, &[&str]); 2] = [
        ("unlearnd_winograd", "src/ml/kernels/winograd.cpp", &["-mavx2", "-mfma"]),
        (
            "unlearnd_attention",
            "src/ml/kernels/attention.cpp",
            &["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512bf16"],
        ),
    ];
    /// Loops over plain arrays, each in a version for every kind of processor.
    const KERNELS: [&str; 3] = ["src/ml/kernels/rms_norm.cpp", "src/ml/kernels/swiglu.cpp", "src/ml/kernels/turn.cpp"];
    const HEADERS: [&str; 7] = [
        "src/ml/shim/guard.h",
        "src/ml/kernels/attention.h",
        "src/ml/kernels/rms_norm.h",
        "src/ml/kernels/swiglu.h",
        "src/ml/kernels/turn.h",
        "src/ml/kernels/versions.h",
        "src/ml/kernels/winograd.h",
    ];

    pub(super) fn link_and_compile_shim() -> Result<(), Box<dyn Error>> {
        // torch-sys has `links = "tch"` and tells its direct dependents where libtorch is.
        let library = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB")?);
        set_run_path(&library);
        compile_shim(&library)?;
        link_openmp(&library)
    }

    /// Also keeps the linker from dropping the CUDA library, which no symbol of ours names.
    fn set_run_path(library: &Path) {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", library.display());
        if library.join("libtorch_cuda.so").exists() {
            for argument in ["-Wl,--no-as-needed", "-ltorch_cuda", "-ltorch", "-Wl,--as-needed"] {
                println!("cargo:rustc-link-arg={argument}");
            }
        }
    }

    /// libtorch's own OpenMP runtime, so that its loops and the shim's share one set of threads.
    fn link_openmp(library: &Path) -> Result<(), Box<dyn Error>> {
        let mut runtime = PathBuf::from("-lgomp");
        for entry in fs::read_dir(library)? {
            let entry = entry?;
            if ["libgomp", "libiomp5"].iter().any(|name| entry.file_name().to_string_lossy().starts_with(name)) {
                runtime = entry.path();
            }
        }
        println!("cargo:rustc-link-arg={}", runtime.display());
        Ok(())
    }

    /// Compiling takes 20 s, so a change of the protos alone reuses the libraries of the last run.
    fn compile_shim(library: &Path) -> Result<(), Box<dyn Error>> {
        println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
        println!("cargo:rerun-if-env-changed=LIBTORCH_CXX11_ABI");
        let root = env::var("LIBTORCH_INCLUDE").map_or_else(|_| library.join(".."), PathBuf::from);
        let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
        let out = PathBuf::from(env::var("OUT_DIR")?);
        let mut stamp = format!("{} {abi} openmp\n", root.display());
        for source in SHIM.into_iter().chain(SPECIAL.map(|(_, source, _)| source)).chain(KERNELS).chain(HEADERS) {
            println!("cargo:rerun-if-changed={source}");
            stamp += &fs::read_to_string(source)?;
        }
        let stamp_file = out.join("shim.stamp");
        if fs::read_to_string(&stamp_file).is_ok_and(|last| last == stamp) {
            println!("cargo:rustc-link-search=native={}", out.display());
            println!("cargo:rustc-link-lib=static=unlearnd_shim");
            for library in SPECIAL.map(|(library, ..)| library).into_iter().chain(["unlearnd_kernels"]) {
                println!("cargo:rustc-link-lib=static={library}");
            }
            println!("cargo:rustc-link-lib=stdc++");
            return Ok(());
        }
        cc::Build::new()
            .cpp(true)
            .pic(true)
            .warnings(false)
            .opt_level(1)
            .include(root.join("include"))
            .include(root.join("include/torch/csrc/api/include"))
            .flag("-std=c++20")
            // Without it `at::parallel_for` is a plain loop.
            .flag("-fopenmp")
            .flag(format!("-D_GLIBCXX_USE_CXX11_ABI={abi}"))
            .files(SHIM)
            .compile("unlearnd_shim");
        for (library, source, flags) in SPECIAL {
            compile_special(library, source, flags);
        }
        let mut kernels = cc::Build::new();
        kernels.cpp(true).pic(true).opt_level(3).flag("-std=c++20").flag("-fopenmp-simd").files(KERNELS);
        kernels.compile("unlearnd_kernels");
        Ok(fs::write(stamp_file, stamp)?)
    }

    fn compile_special(library: &str, source: &str, flags: &[&str]) {
        let mut build = cc::Build::new();
        // GCC 12 warns of its own headers.
        build.cpp(true).pic(true).warnings(false).opt_level(3).flag("-std=c++20").file(source);
        if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|architecture| architecture == "x86_64") {
            build.flags(flags);
        }
        build.compile(library);
    }
}
