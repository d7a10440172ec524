with offered as (
    select ps_partkey, ps_supplycost, s_acctbal, s_name, n_name, s_address, s_phone, s_comment
    from {{ source('tpch', 'partsupp') }}
    join {{ source('tpch', 'supplier') }} on s_suppkey = ps_suppkey
    join {{ source('tpch', 'nation') }} on n_nationkey = s_nationkey
    join {{ source('tpch', 'region') }} on r_regionkey = n_regionkey
    where r_name = 'EUROPE'
)
select s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment
from {{ source('tpch', 'part') }}
join offered on ps_partkey = p_partkey
where p_size = 15
    and p_type like '%BRASS'
    and ps_supplycost = (select min(other.ps_supplycost) from offered other where other.ps_partkey = p_partkey)
order by s_acctbal desc, n_name, s_name, p_partkey
limit 100
