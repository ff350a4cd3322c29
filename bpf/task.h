/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * What the kernel keeps of the process that runs. For kernel side only. Of the kernel's structures
 * just these members; where they are in it is found out by loading (CO-RE).
 */
#ifndef MSI2IMDS_TASK_H
#define MSI2IMDS_TASK_H

#include "abi.h"

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

typedef struct {
	__u32 val;
} kuid_t;
typedef struct {
	__u32 val;
} kgid_t;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct super_block {
	__u32 s_dev;
};
struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
};
struct file {
	struct inode *f_inode;
};
struct mm_struct {
	struct file *exe_file;
};
struct group_info {
	int ngroups;
	kgid_t gid[];
};
struct cred {
	kgid_t egid;
	kuid_t fsuid;
	struct group_info *group_info;
};
struct task_struct {
	struct mm_struct *mm;
	struct task_struct *group_leader;
	__u64 start_boottime;
	const struct cred *cred;
};
#pragma clang attribute pop

static __always_inline void read_groups(struct dialler *who, const struct cred *cred)
{
	struct group_info *groups = BPF_CORE_READ(cred, group_info);
	__u32 count = BPF_CORE_READ(groups, ngroups);

	who->group_count = count;
	if (count > MAX_GROUPS)
		count = MAX_GROUPS;
	bpf_probe_read_kernel(who->groups, (count & 63) * sizeof(who->groups[0]),
			      __builtin_preserve_access_index(&groups->gid[0]));
}

/* Users are those of the thread that calls; start and program are the same for all threads. */
static __always_inline void read_task(struct dialler *who)
{
	const struct task_struct *task = (void *)bpf_get_current_task();
	const struct cred *cred = BPF_CORE_READ(task, cred);
	struct inode *program = BPF_CORE_READ(task, mm, exe_file, f_inode);

	who->started = BPF_CORE_READ(task, group_leader, start_boottime);
	who->acting_uid = BPF_CORE_READ(cred, fsuid.val);
	who->acting_gid = BPF_CORE_READ(cred, egid.val);
	read_groups(who, cred);
	if (program) {
		who->program_inode = BPF_CORE_READ(program, i_ino);
		who->program_device = BPF_CORE_READ(program, i_sb, s_dev);
	}
}

#endif
