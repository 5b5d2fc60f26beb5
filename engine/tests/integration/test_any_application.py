"""What strangers' applications, configs and tasks look like."""


def test_where_every_trial_may_fail_a_sweep_ends(application):
    numbers = []

    def fails(config):
        numbers.append(config.x)
        raise RuntimeError("no")

    application.run(fails, "x=interval(0,1)", "hydra.sweeper.max_failure_rate=1.0")
    assert len(numbers) == 3
    assert [trial.state.name for trial in application.study().trials] == ["FAIL"] * 3
