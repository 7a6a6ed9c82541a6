# agegate: what one types. `make demo` and `make test` install missing Debian packages themselves, after saying which.

CARGO ?= cargo
PREFIX ?= /usr
PYTHON ?= python3
BINARY = target/release/agegate
# Whatever the user has set: the scripts look for what was built here.
export CARGO_TARGET_DIR := $(CURDIR)/target

.PHONY: all build demo test miri test-browser lint bench models card policy turn-figures turn-noise turn-model config install packages packages-test docs bare-test clean board-test board-systemd board-soak soak fuzz arm-test deb link link-test thousand

all: build

build: packages
	$(CARGO) build --release --locked

demo: build
	$(BINARY) demo --out demo-out

test: packages-test
	$(CARGO) test --release --locked --package agegate-kernels
	$(CARGO) test --release --locked

# The kernels' plain path, and all that is around the vector instructions, under Miri, which needs the nightly toolchain with it:
# `rustup toolchain install nightly --component miri`. Miri knows no vector instructions of these kernels.
miri:
	$(CARGO) +nightly miri test --package agegate-kernels

# The second program, which speaks to the network.
link: packages
	$(CARGO) build --release --locked --package agegate-link

# The link with the real mosquitto, promtool, Home Assistant's source and headless Chromium; installs what is missing.
link-test: packages
	CARGO="$(CARGO)" PYTHON="$(PYTHON)" sh scripts/link_test.sh

# A thousand simulated gates on one broker; the figures go into docs/fleet.md and README.md.
thousand: packages
	sh scripts/link_packages.sh
	AGEGATE_THOUSAND_WRITE=1 $(CARGO) test --release --locked --package agegate-link --test a_thousand_gates -- --ignored --exact --nocapture lose_nothing_and_catch_up_after_a_day_without_broker

# The report in headless Chromium.
test-browser: build
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { echo "installing Debian packages: chromium chromium-driver"; apt-get update -qq && apt-get install -y -qq chromium chromium-driver >/dev/null; }
	@$(PYTHON) -c "import ensurepip" 2>/dev/null || { echo "installing Debian package: python3-venv"; apt-get install -y -qq python3-venv >/dev/null; }
	$(PYTHON) -m venv target/browser-venv && target/browser-venv/bin/pip install -q -r tests/browser/requirements.txt
	target/browser-venv/bin/python tests/browser/report_reads_well_on_a_phone.py

lint: packages
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings
	$(CARGO) clippy --release --locked --package agegate-link --package agegate-kernels --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --no-deps --lib
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --no-deps --lib --package agegate-link --package agegate-kernels

# Needs onnxruntime and numpy (models/train/requirements.txt) for the comparison.
bench: packages
	$(PYTHON) scripts/compare_runtimes.py

# Trains, exports, quantizes and checks all models from ../shared/data; resumes from its checkpoints, goes on where it was stopped.
models:
	$(PYTHON) -m pip install -q -r models/train/requirements.txt
	cd models/train && $(PYTHON) train_detector.py && $(PYTHON) export.py detector
	$(MAKE) $(if $(GPU),age-on-gpu,age-on-cpu)
	cd models/train && $(PYTHON) train_covers.py --checkpoint $(AGE) && $(PYTHON) export.py age --checkpoint $(AGE)
	cd models/train && $(PYTHON) make_visitors.py
	$(MAKE) liveness
	cd models/train && $(PYTHON) golden.py
	$(MAKE) build
	cd models/train && $(PYTHON) mean_or_median.py && $(PYTHON) fusion.py
	$(MAKE) policy
	cd models/train && $(PYTHON) margin.py
	$(MAKE) card

# The age net, from scratch. `make models GPU=1`: one round of six minutes on an H200 and 16 cores, every view fresh. That is how the
# shipped one was made (models/train/work/pack may be carried to another machine, and the checkpoint back). Else two rounds of two hours each
# on one core, after 80 minutes for views; what such a net reaches, and how near two such runs come to each other, stands in the model card.
AGE = $(if $(GPU),age-large,age)
.PHONY: age-on-gpu age-on-cpu
age-on-gpu:
	cd models/train && $(PYTHON) pack.py $${AGEGATE_TRAIN_WORK:-work}/pack && $(PYTHON) train_age_gpu.py --data $${AGEGATE_TRAIN_WORK:-work}/pack --out $${AGEGATE_TRAIN_WORK:-work} --seconds 366

age-on-cpu:
	cd models/train && $(PYTHON) render_views.py && $(PYTHON) train_age.py

# The liveness net: attacks made by code from the same pictures, training, export; and a second net that never sees some kinds, for
# the figures. Each step goes on where it was stopped.
LEFT_OUT = glossy,halftone,mask,tablet,monitor,statue,cartoon
.PHONY: liveness
liveness:
	cd models/train && $(PYTHON) liveness_set.py render train 0 $(LIVENESS_BLOCKS) && $(PYTHON) liveness_set.py render held 0 8
	cd models/train && $(PYTHON) train_liveness.py && $(PYTHON) export_liveness.py
	cd models/train && $(PYTHON) train_liveness.py --name liveness-left-out --without $(LEFT_OUT) --epochs 9 --blocks 40 && $(PYTHON) liveness_figures.py --left-out liveness-left-out

# Blocks of 500 scenes to train on: half a minute each on one core. The shipped net learnt from as many.
LIVENESS_BLOCKS ?= 100

# Which labels the out-of-fold opinions contradict, and all figures of the model card and the README.
card: build
	cd models/train && $(PYTHON) label_noise.py && $(PYTHON) model_card.py
	$(PYTHON) scripts/update_readme.py

# The shipped policies, from the validation chips and the portraits of people held back, which training never saw (POLICY_DATA
# takes other sources: `--dataset DIR`, `--aligned-dataset DIR`). The bound stands in each policy itself.
TRAIN_WORK = $${AGEGATE_TRAIN_WORK:-models/train/work}
POLICY_DATA ?= --dataset $(TRAIN_WORK)/portraits-validation
# The liveness confidence, on frames of living people and of attacks that the net was not trained with: how many of those living frames,
# composed and hard ones, may be taken for an attack. Of real photos of people it is far less: the model card has them side by side.
POLICY_ATTACKS ?= --attacks $(TRAIN_WORK)/attacks
POLICY_BPCER ?= 0.16
FAST_BPCER ?= 0.05
STRICT_BPCER ?= 0.2
policy: build
	cd models/train && $(PYTHON) validation.py && $(PYTHON) liveness_set.py frames $${AGEGATE_TRAIN_WORK:-work}/attacks 100
	for each in policy:$(POLICY_BPCER) policy-strict:$(STRICT_BPCER) policy-fast:$(FAST_BPCER); do $(BINARY) calibrate --aligned-dataset $(TRAIN_WORK)/validation \
	  $(POLICY_DATA) $(POLICY_ATTACKS) --max-bpcer $${each#*:} --max-false-accept $$(sed -n 's/^max_false_accept = //p' models/$${each%:*}.toml) --out models/$${each%:*}.toml || exit 1; done
	$(PYTHON) scripts/update_readme.py
	$(CARGO) build --release --locked

# How often flat pictures pass the turn of the head and people fail it, into docs/turn.md. `turn-noise` measures the noise anew, and
# `turn-model` makes the net, from TURN_TEACHER (models/train/turn_data.py says what that is).
turn-figures:
	$(CARGO) build --release --locked --example turn_errors
	$(PYTHON) scripts/turn_figures.py

turn-noise:
	$(CARGO) build --release --locked --example turn_points
	cd models/train && $(PYTHON) turn_noise.py ../../examples/turn-noise.json

turn-model: build
	cd models/train && $(PYTHON) turn_data.py && $(PYTHON) train_turn.py

# The example configuration, as src/config/table.rs has it.
config: build
	$(BINARY) generate target/generated
	cp target/generated/agegate.toml config/agegate.toml

# The units are written for /usr/bin; they are made to start the program that is installed here.
install:
	@test -x $(BINARY) || { echo "$(BINARY) is missing: run 'make build' first" >&2; exit 1; }
	install -D -m 0755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/agegate
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/bin/agegate|$(PREFIX)/bin/agegate|g' systemd/agegate.service > target/agegate.service
	install -m 0644 target/agegate.service $(DESTDIR)$(PREFIX)/lib/systemd/system/agegate.service
	sed 's|/usr/bin/agegate|$(PREFIX)/bin/agegate|g' systemd/agegate@.service > target/agegate@.service
	install -m 0644 target/agegate@.service $(DESTDIR)$(PREFIX)/lib/systemd/system/agegate@.service
	install -D -m 0644 systemd/agegate.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/agegate.conf
	install -D -m 0644 systemd/60-agegate.rules $(DESTDIR)$(PREFIX)/lib/udev/rules.d/60-agegate.rules
	test -e $(DESTDIR)/etc/agegate/agegate.toml || install -D -m 0644 config/agegate.toml $(DESTDIR)/etc/agegate/agegate.toml
	install -D -m 0644 config/agegate.toml $(DESTDIR)$(PREFIX)/share/doc/agegate/agegate.toml
	install -D -m 0644 systemd/agegate-libcamera.conf $(DESTDIR)$(PREFIX)/share/doc/agegate/agegate-libcamera.conf
	$(BINARY) generate target/generated
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0644 target/generated/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -D -m 0644 target/generated/agegate.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/agegate
	install -D -m 0644 target/generated/_agegate $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_agegate
	install -D -m 0644 target/generated/agegate.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/agegate.fish

# The pictures of docs/ with the present program and models; needs chromium, and the validation chips or DOCS_DATA. CI checks that
# they are current.
DOCS_DATA ?= $(TRAIN_WORK)/validation
docs: build
	$(PYTHON) scripts/docs_pictures.py --dataset $(DOCS_DATA)

# `make demo` (BARE=test: the tests, BARE=both) in a bare Debian made by debootstrap, with only what the README names; as root.
# SUITE=trixie takes another suite than this machine's own.
BARE ?= demo
SUITE ?=
bare-test:
	sh scripts/bare_test.sh $(BARE) $(SUITE)

# The arm64 binary on an emulated Raspberry Pi 3: kernel drivers, faults, power cuts. At most ten minutes after the build.
board-test:
	sh scripts/board_test.sh

# The package under Debian's own systemd on the same board: Debian's root is made first, and docs/systemd-board.md written.
board-systemd:
	sh scripts/board_systemd.sh

# Visitors come and go on the emulated board, whose clock goes several times slower than ours.
board-soak:
	sh scripts/board_test.sh --soak 1140 --readme

# 20,000 frames and 1,010 visits through the daemon here: about 14 minutes.
soak: build
	$(PYTHON) scripts/soak.py

# Every fuzz target for FUZZ_SECONDS; `make fuzz FUZZ_SECONDS=600` for an hour in total.
FUZZ_SECONDS ?= 10
fuzz: packages
	sh scripts/fuzz.sh $(FUZZ_SECONDS)

# The library's tests, the golden answers of the models among them, for both ARM targets under user-mode emulation.
arm-test: packages
	CROSS_COMMAND=test sh scripts/cross.sh arm64 --lib --test the_models_answer_as_onnx_runtime_does
	CROSS_COMMAND=test sh scripts/cross.sh armhf --lib --test the_models_answer_as_onnx_runtime_does

# Debian packages for arm64 and armhf, the first of them installed into an arm64 root folder.
deb: build
	sh scripts/deb.sh

packages:
	@sh scripts/packages.sh

packages-test:
	@sh scripts/packages.sh test

clean:
	$(CARGO) clean
	rm -rf demo-out
