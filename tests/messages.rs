//! Bad input gets one clear line on standard error and its exit code, and leaves nothing behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use metatape::recipe::{
    self, MethodKind, Override, Recipe, TaskKind, key::REQUIRED, suggest, table::KEYS,
};

/// Runs the program in `dir`.
fn metatape(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metatape"));
    command.current_dir(dir).args(args).env_remove("METATAPE_DATA").output().unwrap()
}

/// The one line that a failing command says.
#[track_caller]
fn complaint(dir: &Path, args: &[&str], code: i32) -> String {
    let out = metatape(dir, args);
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(code), "{args:?}: {stderr}");
    assert_eq!(
        stderr.matches('\n').count(),
        1,
        "{args:?} said more or less than one line: {stderr}"
    );
    assert!(out.stdout.is_empty(), "{args:?} wrote a result");
    stderr
}

fn load(which: &str, set: &[&str]) -> Result<Recipe, String> {
    let changes: Result<Vec<Override>, _> = set.iter().map(|text| Override::parse(text)).collect();
    changes.and_then(|changes| recipe::load(which, &changes)).map_err(|e| e.to_string())
}

#[test]
fn every_mistake_in_use_gets_one_line_and_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["run", "sinusoidd"], "did you mean \"sinusoid\"?"),
        (&["run", "--set", "stpes=5"], "unknown key \"stpes\"; did you mean \"train.steps\"?"),
        (&["run", "--set", "steps"], "expected KEY=VALUE"),
        (&["run", "--set", "steps=1.5"], "expected a whole number"),
        (&["run", "--set", "steps=-1"], "out of range"),
        (&["run", "--set", "optimizer.kind=adm"], "did you mean \"adam\"?"),
        (&["run", "--set", "kind=mlp"], "could be tasks.kind or model.kind"),
        (&["run", "--set", "train=5"], "is a section, not a key"),
        (
            &["run", "omniglot-5w1s", "--set", "shots=2", "--set", "tasks.queries=19"],
            "a character has 20 pictures",
        ),
        (
            &["run", "sinusoid", "--set", "ways=5"],
            "tasks.ways has a meaning only where tasks.kind is omniglot",
        ),
        (&["run", "sinusoid", "--set", "model.kind=conv4"], "has no pictures"),
        (&["run", "sinusoid", "--set", "layers=1,40,2"], "need 1 to 1"),
        (&["run", "sinusoid", "--set", "amplitude=[5,1]"], "wrong way round"),
        (&["run", "sinusoid", "--set", "headline=7"], "not among evaluate.inner_steps"),
        (
            &["run", "omniglot-5w1s", "--set", "model.norm=group", "--set", "groups=7"],
            "equal groups",
        ),
        (&["run", "--set", "memory=2Gib"], "expected bytes with a unit"),
        (&["run", "--set", "name=../../etc"], "cannot name a folder"),
        (&["run", "--seeds", "3..1"], "expected A..B"),
        (&["run", "--seed", "one"], "expected a whole number"),
        (&["run", "--device", "gpux"], "expected auto, cpu, gpu, gpu:N or reference"),
        (&["run", "--threads", "-1"], "threads = -1 is out of range"),
        (&["run", "--frobnicate"], "unexpected argument"),
        (&["run", "nowhere/x.toml"], "cannot read nowhere/x.toml"),
        (&["run", "--resume", "nowhere"], "nowhere is not the folder of a run"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&["verify"], "required arguments were not provided"),
        (&["gradcheck", "--order", "4"], "4 is not in 1..=3"),
        (&["verify", "x", "--device", "tpu"], "expected auto, cpu"),
        (&["compare", "a", "b"], "a does not exist"),
        (&["compare", "a"], "2 values required"),
        (&["data", "--data", "nowhere"], "nowhere: no such folder"),
        (&["data", "import", "omniglott", "x"], "cannot import \"omniglott\""),
        (&["data", "import", "omniglot", "nowhere"], "nowhere"),
        (&["recipes", "omniglot"], "did you mean \"omniglot-5w1s\"?"),
    ];
    for (args, expected) in cases {
        let line = complaint(dir.path(), args, 2);
        assert!(line.contains(expected), "{args:?} said {line:?}, not {expected:?}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "a refused command left something");
}

#[test]
fn a_mistake_in_a_recipe_file_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let good = "[tasks]\nkind = \"sine\"\n\n[model]\nkind = \"mlp\"\n\n[train]\nsteps = 5\n";
    fs::write(dir.path().join("x.toml"), good).unwrap();
    assert!(metatape(dir.path(), &["recipes", "x.toml"]).status.success());
    let cases: &[(&str, &str)] = &[
        (
            "tasks_per_stpe = 3",
            "x.toml, line 9: unknown key \"train.tasks_per_stpe\"; did you mean \"train.tasks_per_step\"?",
        ),
        (
            "inner_lr = 3",
            "line 9: unknown key \"train.inner_lr\"; did you mean \"method.inner_lr\"?",
        ),
        ("optimizer = { kind = \"adam\", lrr = 1 }", "did you mean \"train.optimizer.lr\"?"),
        ("optimizer = \"adam\"", "line 9: \"train.optimizer\" is a section"),
        (
            "optimizer = { kind = \"sgd\", beta1 = 0.5 }",
            "line 9: train.optimizer.beta1 has a meaning only where",
        ),
        ("clip = \"much\"", "line 9: train.clip = \"much\"; expected a number, 0 or more"),
        ("clip = nan", "out of range"),
        ("steps = 6", "line 9: not TOML"),
        ("[evaluate]\ncontrols = [\"random\", \"random\"]", "line 10: evaluate.controls"),
        ("[trian]\nstesp = 1", "line 10: unknown key \"trian.stesp\""),
        (
            "[evaluate]\nnorm = [\"batch\"]",
            "evaluate.norm has a meaning only where model.kind is conv4",
        ),
        ("x = 1\u{7}", "line 9: not TOML"),
    ];
    for (line, expected) in cases {
        fs::write(dir.path().join("x.toml"), format!("{good}{line}\n")).unwrap();
        let said = complaint(dir.path(), &["recipes", "x.toml"], 2);
        assert!(said.contains(expected), "{line:?} gave {said:?}, not {expected:?}");
    }
    fs::write(dir.path().join("x.toml"), "[tasks]\nkind = \"sine\"\n[model]\nkind = \"mlp\"\n")
        .unwrap();
    assert!(complaint(dir.path(), &["recipes", "x.toml"], 2).contains("train.steps is missing"));
    fs::write(dir.path().join("x.toml"), [0xff, 0xfe, 0]).unwrap();
    complaint(dir.path(), &["recipes", "x.toml"], 2);
}

#[test]
fn hostile_recipe_files_are_refused_quickly() {
    let deep = format!("x = {}", "[".repeat(100_000));
    let wide = format!("[tasks]\nkind = \"sine\"\n[model]\nlayers = [{}]\n", "1,".repeat(200_000));
    let keys = format!("{} = 1", vec!["a"; 5000].join("."));
    let controls = "name = \"\\u0007\\n\"";
    for text in [&deep[..], &wide, &keys, controls, "\0", "= =", "[[tasks]]", "[tasks.kind]\nx = 1"]
    {
        let why = recipe::resolve(text, "hostile.toml", "hostile", &[]).unwrap_err().to_string();
        assert!(why.starts_with("hostile.toml"), "{why}");
        assert!(why.len() < 12_000, "a message of {} bytes", why.len());
    }
    let dir = tempfile::tempdir().unwrap();
    let large = dir.path().join("large.toml");
    fs::File::create(&large).unwrap().set_len(1 << 33).unwrap();
    let why = load(large.to_str().unwrap(), &[]).unwrap_err();
    assert!(why.contains("at most"), "{why}");
}

#[test]
fn the_last_part_of_a_key_suffices_and_flags_are_overrides() {
    let recipe =
        load("sinusoid", &["steps=7", "optimizer.lr=2e-3", "inner_lr=1", "memory=2GiB"]).unwrap();
    assert_eq!(recipe.train.steps, 7);
    assert_eq!((recipe.train.optimizer.lr, recipe.method.inner_lr), (0.002, 1.0));
    assert_eq!(recipe.memory, 2 << 30);
    // `support` fits two keys of this recipe; a full path decides, an exact path is never ambiguous.
    assert!(
        load("sinusoid", &["support=3"]).unwrap_err().contains("tasks.support or evaluate.support")
    );
    assert_eq!(load("sinusoid", &["tasks.support=3", "seed=9"]).unwrap().seed, 9);
    // Tables, lists without brackets, and turning a recipe to another kind.
    let turned =
        load("sinusoid", &["optimizer={kind=\"sgd\",lr=1}", "layers=1,8,1", "controls=random"])
            .unwrap();
    assert_eq!(turned.model.layers, [1, 8, 1]);
    assert_eq!(turned.train.optimizer.kind.word(), "sgd");
    let turned = load("sinusoid", &["tasks.kind=omniglot", "model.kind=conv4"]).unwrap();
    assert_eq!(turned.tasks.kind, TaskKind::Omniglot);
}

#[test]
fn a_resolved_recipe_reads_back_to_itself_and_to_the_same_hash() {
    for name in recipe::builtin::names() {
        let recipe = load(name, &[]).unwrap();
        let again = recipe::resolve(&recipe.to_toml(), "again", "other", &[]).unwrap();
        assert_eq!(recipe, again);
        assert_eq!(recipe.hash(), again.hash());
        let elsewhere =
            ["device=cpu", "threads=3", "plan=plain", "memory=1GiB", "checkpoint_steps=50"];
        assert_eq!(load(name, &elsewhere).unwrap().hash(), recipe.hash(), "how and when, not what");
        for what in
            ["seed=2", "seeds=2", "steps=1", "inner_lr=0.3", "evaluate.seed=4", "order=first"]
        {
            if (name, what) == ("toy", "seeds=2") {
                continue; // nothing in it is random, and two seeds are refused
            }
            if what == "order=first" && recipe.method.kind != MethodKind::Maml {
                continue; // an order is MAML's
            }
            assert_ne!(
                load(name, &[what]).unwrap().hash(),
                recipe.hash(),
                "{what} is another experiment"
            );
        }
    }
}

#[test]
fn every_key_has_a_meaning_and_a_default_that_passes_its_own_check() {
    for key in KEYS {
        assert!(key.meaning.len() > 10, "{} is not explained", key.path);
        assert!(KEYS.iter().filter(|other| other.path == key.path).count() == 1);
        if let Some((other, _)) = key.when {
            let place = |path| KEYS.iter().position(|key| key.path == path);
            assert!(
                place(other) < place(key.path),
                "{other} comes after {}, which needs it",
                key.path
            );
            assert_ne!(
                key.default, REQUIRED,
                "{}: a key that may not apply needs a default",
                key.path
            );
        }
        if key.default != REQUIRED {
            let table: toml::Table = format!("x = {}", key.default).parse().unwrap();
            key.kind.check(&table["x"]).unwrap_or_else(|why| panic!("{}: {why}", key.path));
        }
    }
}

#[test]
fn suggestions_count_edits() {
    assert_eq!(suggest::distance("steps", "steps"), 0);
    assert_eq!(suggest::distance("stpes", "steps"), 1, "a swap is one edit");
    assert_eq!(suggest::distance("", "abc"), 3);
    assert_eq!(suggest::distance("kitten", "sitting"), 3);
    assert_eq!(suggest::nearest("pcgrd", ["mgda", "pcgrad", "cagrad"].into_iter()), Some("pcgrad"));
}

/// A limit of 0 on the size of files is what a full disk looks like to a program.
#[cfg(unix)]
#[test]
fn a_full_disk_is_exit_code_3_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_metatape");
    let script =
        format!("trap '' XFSZ; ulimit -f 0; exec {program} run sinusoid --out made --quiet");
    let out = Command::new("bash").args(["-c", &script]).current_dir(dir.path()).output().unwrap();
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(3), "{stderr}");
    assert_eq!(stderr.matches('\n').count(), 1, "{stderr}");
    assert!(stderr.contains("cannot write made/recipe.toml"), "{stderr}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something half-written stayed");
}

#[test]
fn a_folder_that_is_not_empty_is_not_written_into() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine"), "precious").unwrap();
    let line = complaint(dir.path(), &["run", "sinusoid", "--out", "."], 2);
    assert!(line.contains("the folder is not empty"), "{line}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
