//! Finds the flite libraries and links them, statically where the archives are there.
use std::{env, path::PathBuf, process};

/// In the order a linker wants them: users before what they use.
const LIBRARIES: [&str; 6] = [
    "flite_cmu_us_slt",
    "flite_cmu_us_rms",
    "flite_cmu_us_awb",
    "flite_usenglish",
    "flite_cmulex",
    "flite",
];

fn main() {
    println!("cargo:rerun-if-env-changed=VOICED_FLITE_LIB_DIR");
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let mut places: Vec<PathBuf> = env::var_os("VOICED_FLITE_LIB_DIR")
        .map(PathBuf::from)
        .into_iter()
        .collect();
    places.push(format!("/usr/lib/{arch}-linux-gnu").into());
    places.extend(
        [
            "/usr/lib64",
            "/usr/lib",
            "/usr/local/lib",
            "/opt/homebrew/lib",
        ]
        .map(PathBuf::from),
    );
    for (kind, suffix) in [("static:-bundle", "a"), ("dylib", "so"), ("dylib", "dylib")] {
        let complete = |place: &&PathBuf| {
            LIBRARIES
                .iter()
                .all(|name| place.join(format!("lib{name}.{suffix}")).is_file())
        };
        if let Some(place) = places.iter().find(complete) {
            println!("cargo:rustc-link-search=native={}", place.display());
            for name in LIBRARIES {
                println!("cargo:rustc-link-lib={kind}={name}");
            }
            println!("cargo:rustc-link-lib=dylib=m");
            return;
        }
    }
    println!(
        "cargo:warning=the flite libraries were not found (Debian, Ubuntu: apt-get install flite1-dev; \
         elsewhere set VOICED_FLITE_LIB_DIR to the folder with libflite.a and its voices)"
    );
    process::exit(1);
}
