//! The examples of the guide beside the reference stack: made, at rest, and removed.

use crate::world::{World, root};

#[test]
fn the_examples_converge_beside_the_reference_stack() {
    let Some(world) = World::new("the_examples_converge_beside_the_reference_stack") else { return };
    let world = world.with_samples();
    for entry in std::fs::read_dir(root().join("docs/examples")).expect("there are examples").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("reads an example");
        std::fs::write(world.sources().with_file_name(entry.file_name()), world.named(&text)).expect("writes an example");
    }
    // The image that the example's task wants is never pulled here, and the database's data go to the file system.
    world.edit("30-cluster.yaml", "  storage: ephemeral", "  storage: {fileSystem: {ref: FileSystem/p8-mongodb-data}}");
    world.edit("30-cluster.yaml", "      ports: [27017]\n", "      ports: [27017]\n      mountPoints: [{volume: data, path: /data/db}]\n");
    world.edit(
        "30-cluster.yaml",
        "  containers:\n",
        "  volumes:\n    - {name: data, fileSystem: {ref: FileSystem/p8-mongodb-data}, accessPoint: {ref: FileSystem/p8-mongodb-data, key: accessPoint}, iam: true}\n  containers:\n",
    );
    let made = world.apply();
    let of_examples = ["Repository/p8/meteoctl", "FileSystem/p8-mongodb-data", "Schedule/p8-nightly-backup", "Alarm/p8-backup-too-old"];
    for id in of_examples.map(|id| world.named(id)) {
        assert_eq!(made.fate(&id), "created", "{:#}", made.0);
    }
    world.apply().changed_nothing();
}
