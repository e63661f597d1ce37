from reseed._support import progress


def test_bars_are_talk_with_title_and_count(capsys):
    with progress.bar() as show:
        for title, total in (("train topk@none", 20), ("compare", 2)):
            advance = show(title, total)
            for _ in range(total):
                advance(1)
    told = capsys.readouterr()
    assert told.out == ""
    assert all(words in told.err for words in ("train topk@none", "20/20", "compare", "2/2"))


def test_nothing_is_said_when_quiet(capsys):
    with progress.bar(quiet=True) as show:
        show("compare", 2)(1)
    assert capsys.readouterr() == ("", "")
