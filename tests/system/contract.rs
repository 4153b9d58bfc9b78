//! What is in `schema/` is what the code says.

#[test]
fn schema_folder_is_current() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hansa"))
        .args(["schema", "--check", "--directory"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/schema"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
