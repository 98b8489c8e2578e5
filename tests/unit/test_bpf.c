// SPDX-License-Identifier: BSD-3-Clause
// What our BPF programs may not ask of a kernel. Arguments: the object files.
#include "tests/unit/unit.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdbool.h>

enum { STACK_SLOT = 8 };

static const char *const *objects;
static int object_count;

static bool is_narrow_fill(const struct bpf_insn *i)
{
	return BPF_CLASS(i->code) == BPF_LDX && i->src_reg == BPF_REG_10 &&
	       BPF_SIZE(i->code) != BPF_DW && i->off % STACK_SLOT == 0;
}

// Where less than 8 bytes of a constant come back from the stack, Linux 6.1 loses track of which of
// several it may be, and removes branches that it says nobody takes: wrong frames leave.
static void nothing_narrow_comes_back_from_the_stack(void **state)
{
	(void)state;
	assert_in_range(object_count, 1, INT32_MAX);
	for (int o = 0; o < object_count; o++) {
		struct bpf_object *object = bpf_object__open_file(objects[o], NULL);
		struct bpf_program *p;

		assert_non_null(object);
		bpf_object__for_each_program(p, object)
		{
			const struct bpf_insn *insns = bpf_program__insns(p);

			for (size_t i = 0; i < bpf_program__insn_cnt(p); i++)
				if (is_narrow_fill(&insns[i]))
					fail_msg("%s: instruction %zu of %s", objects[o], i,
					    bpf_program__name(p));
		}
		bpf_object__close(object);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_narrow_comes_back_from_the_stack),
	};

	objects = (const char *const *)argv + 1;
	object_count = argc - 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
