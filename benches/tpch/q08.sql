with sold as (
    select
        extract(year from o_orderdate) as o_year,
        l_extendedprice * (1 - l_discount) as volume,
        supplier_nation.n_name as nation
    from {{ source('tpch', 'part') }}
    join {{ source('tpch', 'lineitem') }} on p_partkey = l_partkey
    join {{ source('tpch', 'supplier') }} on s_suppkey = l_suppkey
    join {{ source('tpch', 'orders') }} on l_orderkey = o_orderkey
    join {{ source('tpch', 'customer') }} on o_custkey = c_custkey
    join {{ source('tpch', 'nation') }} as customer_nation on c_nationkey = customer_nation.n_nationkey
    join {{ source('tpch', 'region') }} on customer_nation.n_regionkey = r_regionkey
    join {{ source('tpch', 'nation') }} as supplier_nation on s_nationkey = supplier_nation.n_nationkey
    where r_name = 'AMERICA'
        and o_orderdate between date '1995-01-01' and date '1996-12-31'
        and p_type = 'ECONOMY ANODIZED STEEL'
)
select o_year, sum(case when nation = 'BRAZIL' then volume else 0 end) / sum(volume) as mkt_share
from sold
group by o_year
