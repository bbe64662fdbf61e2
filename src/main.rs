//! The program: everything it does is in the library.

fn main() -> std::process::ExitCode {
    // Mesa's drivers print an error where this is not set, and go on; one's own message would drown in it.
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Safety: no other thread exists yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
    metatape::cli::main()
}
