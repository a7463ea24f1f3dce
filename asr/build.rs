//! Finds the PocketSphinx libraries and links them.
use std::{env, path::PathBuf, process};

const LIBRARIES: [&str; 2] = ["pocketsphinx", "sphinxbase"];

fn main() {
    println!("cargo:rerun-if-env-changed=VOICED_SPHINX_LIB_DIR");
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let mut places: Vec<PathBuf> = env::var_os("VOICED_SPHINX_LIB_DIR")
        .map(PathBuf::from)
        .into_iter()
        .collect();
    places.push(format!("/usr/lib/{arch}-linux-gnu").into());
    places.extend(["/usr/lib64", "/usr/lib", "/usr/local/lib"].map(PathBuf::from));
    let complete = |place: &&PathBuf| {
        LIBRARIES
            .iter()
            .all(|name| place.join(format!("lib{name}.so")).is_file())
    };
    let Some(place) = places.iter().find(complete) else {
        println!(
            "cargo:warning=the PocketSphinx libraries were not found (Debian, Ubuntu: apt-get install \
             libpocketsphinx-dev libsphinxbase-dev pocketsphinx-en-us; elsewhere set \
             VOICED_SPHINX_LIB_DIR to the folder with libpocketsphinx.so and libsphinxbase.so of \
             release 5prealpha)"
        );
        process::exit(1);
    };
    println!("cargo:rustc-link-search=native={}", place.display());
    for name in LIBRARIES {
        println!("cargo:rustc-link-lib=dylib={name}");
    }
}
