use super::*;
use crate::tree::{ExprKind, Statement};

fn body(text: &str) -> Block {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error} at {}", error.pos.0))
}

fn statement(text: &str) -> StmtKind {
    let mut block = body(&format!("BEGIN {text}; END"));
    assert_eq!(block.body.len(), 1, "{text}");
    block.body.remove(0).kind
}

#[test]
fn a_signup_trigger() {
    let block = body(
        "\nbegin\n  insert into public.profiles (id, name)\n  values (new.id, new.raw_user_meta_data->>'name');\n  return new;\nend;\n",
    );
    assert!(
        matches!(&block.body[0].kind, StmtKind::Sql { statement, into: None } if matches!(**statement, Statement::Insert(_)))
    );
    assert!(matches!(&block.body[1].kind, StmtKind::Return(Some(value)) if value.kind == ExprKind::Column(vec!["new".into()])));
    assert_eq!(block.body[0].pos.0, 9);
}

#[test]
fn declarations() {
    let block = body(
        "#variable_conflict use_column\n<<outer>> DECLARE a int; b CONSTANT text NOT NULL := 'x'; c public.t%ROWTYPE; d t.c%TYPE; e RECORD; f a%TYPE = 1;
         g ALIAS FOR $1; h ALIAS FOR outer.a; i CURSOR FOR SELECT 1; j NO SCROLL CURSOR (x int, y text) IS SELECT x; k numeric(10, 2)[] DEFAULT
         '{}'; l text COLLATE \"C\" := count(*) FROM t WHERE z; m refcursor; n t%rowtype; BEGIN END outer;",
    );
    assert_eq!(block.options, [("variable_conflict".to_owned(), "use_column".to_owned())]);
    assert_eq!(block.label.as_deref(), Some("outer"));
    assert_eq!(block.declarations.len(), 14);
    assert!(
        matches!(&block.declarations[2].kind, DeclarationKind::Variable { ty: VariableType::Row(name), .. } if name.name == "t")
    );
    assert!(matches!(&block.declarations[6].kind, DeclarationKind::Alias(name) if name == &["$1"]));
    assert!(matches!(&block.declarations[9].kind, DeclarationKind::Cursor { scroll: Some(false), args, .. } if args.len() == 2));
    assert!(
        matches!(&block.declarations[11].kind, DeclarationKind::Variable { default: Some(e), .. } if matches!(e.kind, ExprKind::Scalar(_)))
    );
}

#[test]
fn every_statement() {
    let texts = [
        "a := 1",
        "a = b + 1",
        "new.x := now()",
        "a[1] := 2",
        "a[1:2] := b",
        "rec.f[2].g := 3",
        "$1 := 2",
        "\"Quoted\" := 1",
        "query := 1",
        "x := CASE WHEN a THEN 1 ELSE 2 END",
        "n := max(x) FROM t",
        "IF a THEN NULL; END IF",
        "IF a THEN b := 1; ELSIF c THEN d := 2; ELSE NULL; END IF",
        "IF a THEN ELSEIF b THEN END IF",
        "IF NOT FOUND THEN RETURN; END IF",
        "IF count(*) > 0 FROM t WHERE x THEN NULL; END IF",
        "CASE WHEN a THEN NULL; ELSE NULL; END CASE",
        "CASE x WHEN 1, 2 THEN NULL; WHEN 3 THEN a := 1; END CASE",
        "LOOP EXIT; END LOOP",
        "<<l>> LOOP EXIT l WHEN a > 1; CONTINUE l; CONTINUE WHEN b; END LOOP l",
        "WHILE a < 10 LOOP a := a + 1; END LOOP",
        "FOR i IN 1..10 LOOP NULL; END LOOP",
        "FOR i IN REVERSE n - 1 .. 0 BY 2 LOOP NULL; END LOOP",
        "FOR i IN 1..array_length(a, 1) LOOP NULL; END LOOP",
        "FOR r IN SELECT * FROM t WHERE x LOOP NULL; END LOOP",
        "FOR a, b IN (SELECT 1, 2) UNION SELECT 3, 4 LOOP NULL; END LOOP",
        "FOR r IN EXECUTE 'x' USING a, b LOOP NULL; END LOOP",
        "FOR r IN cur(1, x := 2) LOOP NULL; END LOOP",
        "FOR r IN WITH a AS (SELECT 1) SELECT * FROM a LOOP NULL; END LOOP",
        "FOR r IN UPDATE t SET a = 1 RETURNING * LOOP NULL; END LOOP",
        "FOREACH x IN ARRAY a LOOP NULL; END LOOP",
        "FOREACH x SLICE 1 IN ARRAY ARRAY[[1]] LOOP NULL; END LOOP",
        "RETURN",
        "RETURN a + 1",
        "RETURN (SELECT 1)",
        "RETURN count(*) > 0 FROM t",
        "RETURN NEXT",
        "RETURN NEXT r",
        "RETURN QUERY SELECT 1",
        "RETURN QUERY INSERT INTO t VALUES (1) RETURNING a",
        "RETURN query",
        "RETURN QUERY EXECUTE 'x' USING 1",
        "RETURN next.x",
        "RAISE",
        "RAISE NOTICE 'x'",
        "RAISE 'x % and %%', a",
        "RAISE EXCEPTION 'a %', b + 1",
        "RAISE unique_violation",
        "RAISE SQLSTATE '23505'",
        "RAISE EXCEPTION USING ERRCODE = 'x', MESSAGE = 'y' || z, HINT := 'h'",
        "RAISE WARNING division_by_zero USING detail = 'd'",
        "RAISE EXCEPTION 'x' USING ERRCODE = '42501'",
        "ASSERT a",
        "ASSERT a > 1, 'msg'",
        "SELECT a INTO b FROM t",
        "SELECT a, b INTO STRICT c, d.e FROM t",
        "SELECT INTO x a FROM t",
        "SELECT a FROM t INTO x",
        "SELECT 1",
        "INSERT INTO t VALUES (1) RETURNING id INTO x",
        "UPDATE t SET a = 1 WHERE b RETURNING * INTO STRICT r",
        "DELETE FROM t USING u",
        "WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT count(*) INTO n FROM x",
        "CREATE TEMP TABLE t (a int) ON COMMIT DROP",
        "PERFORM f(1)",
        "PERFORM 1 FROM t WHERE a LIMIT 1",
        "PERFORM set_config('a', 'b', true)",
        "EXECUTE 'x'",
        "EXECUTE format('a %I', b) INTO c USING d, e",
        "EXECUTE 'x' USING a INTO STRICT b",
        "GET DIAGNOSTICS n = ROW_COUNT",
        "GET STACKED DIAGNOSTICS a = MESSAGE_TEXT, b := RETURNED_SQLSTATE",
        "GET CURRENT DIAGNOSTICS c = PG_CONTEXT",
        "OPEN c",
        "OPEN c(1, b := 2)",
        "OPEN c FOR SELECT 1",
        "OPEN c NO SCROLL FOR EXECUTE 'x' USING y",
        "FETCH c INTO a, b",
        "FETCH NEXT FROM c INTO r",
        "FETCH RELATIVE -1 IN c INTO r",
        "FETCH LAST c INTO r",
        "MOVE FORWARD 2 FROM c",
        "MOVE c",
        "CLOSE c",
        "COMMIT",
        "ROLLBACK AND CHAIN",
        "NULL",
        "CALL p(1)",
        "LOCK TABLE t",
        "BEGIN NULL; END",
        "<<b>> DECLARE x int; BEGIN x := 1; END b",
        "BEGIN a := 1 / 0; EXCEPTION WHEN division_by_zero OR unique_violation THEN NULL; WHEN SQLSTATE '22012' THEN RAISE; WHEN OTHERS THEN RETURN NULL; END",
        "SET LOCAL search_path = ''",
        "TRUNCATE t",
        "GRANT SELECT ON t TO r",
        "REFRESH MATERIALIZED VIEW m",
    ];
    for text in texts {
        statement(text);
    }
}

#[test]
fn into_is_taken_out_in_place() {
    let StmtKind::Sql { statement, into: Some(into) } = statement("SELECT a, b INTO STRICT x, y.z FROM t WHERE c") else {
        panic!()
    };
    assert!(into.strict && into.targets.len() == 2);
    assert_eq!(crate::print::statement(&statement).as_deref(), Some("SELECT a, b FROM t WHERE c"));
    let Statement::Select(query) = *statement else { panic!() };
    let crate::tree::SetExpr::Select(select) = query.body else { panic!() };
    // Six characters of BEGIN come before the statement.
    assert_eq!(select.filter.map(|f| f.pos.0), Some(6 + 44));
}

#[test]
fn errors_have_postgresqls_words_and_places() {
    let table = [
        ("", "syntax error at end of input", 0),
        ("BEGIN", "syntax error at end of input", 5),
        ("BEGIN a := ; END", "syntax error at or near \";\"", 11),
        ("BEGIN IF a THEN NULL; END; END", "syntax error at or near \";\"", 25),
        ("BEGIN RETURN 1 END", "syntax error at or near \"END\"", 15),
        ("BEGIN NULL; END; SELECT 1", "syntax error at or near \"SELECT\"", 17),
        ("BEGIN RAISE NOTICE 'a % %', 1; END", "too few parameters specified for RAISE", 19),
        ("BEGIN RAISE NOTICE 'a', 1; END", "too many parameters specified for RAISE", 19),
        ("BEGIN LOOP NULL; END LOOP x; END", "syntax error at or near \"x\"", 26),
        ("BEGIN SELEC 1; END", "syntax error at or near \"SELEC\"", 6),
        ("BEGIN UPDATE t SET; END", "syntax error at end of input", 18),
    ];
    for (text, message, pos) in table {
        let error = parse(text).expect_err(text);
        assert_eq!((error.message.as_str(), error.pos.0), (message, pos), "{text}");
    }
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in
        [("IF a THEN ", "END IF; "), ("BEGIN ", "END; "), ("LOOP ", "END LOOP; "), ("CASE WHEN a THEN ", "END CASE; ")]
    {
        let text = |n: usize| format!("BEGIN {}NULL; {}END", open.repeat(n), close.repeat(n));
        assert!(parse(&text(15)).is_ok(), "{open}");
        assert_eq!(parse(&text(5_000)).unwrap_err().code.as_str(), "54001", "{open}");
    }
}

/// The deepest that is accepted fits into half the stack that threads have, even without optimisation.
#[test]
fn the_limit_fits_the_stack() {
    let run = || {
        for (open, close) in
            [("IF a THEN ", "END IF; "), ("BEGIN ", "END; "), ("LOOP ", "END LOOP; "), ("CASE WHEN a THEN ", "END CASE; ")]
        {
            for n in 5..60 {
                let _ = parse(&format!("BEGIN {}NULL; {}END", open.repeat(n), close.repeat(n)));
            }
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}
