//! Options of the linker.

fn main() {
    // libpam unloads its modules at the end of a transaction, but libraries of this one register functions that run at
    // the end of a thread. So the module stays in memory.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete,-z,relro,-z,now");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,pam_telarch.so");
    println!("cargo::rerun-if-changed=build.rs");
}
